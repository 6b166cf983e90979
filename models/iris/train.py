"""Iris flowers: a random forest on a table of whole numbers, written as ONNX two ways.

    features: int64[batch, 4] (sepal length, sepal width, petal length, petal width, in millimetres)
      ->  label: string[batch], probabilities: float32[batch, 3]

The first file is the plain model. The second one is the same forest with the
ZipMap that skl2onnx appends by default: its "probabilities" is a sequence of
maps (label -> probability) instead of a tensor. It is here because such files
are common and a server has to say something sensible about them.

Data: scikit-learn's iris table (load_iris), centimetres times ten, rounded;
105 rows train, the other 45 measure.

    OMP_NUM_THREADS=1 python3 train.py model.onnx ../iris-zipmap/model.onnx

Needs scikit-learn and onnx (see ../README.md for the versions). The operators
are written by hand, skl2onnx itself is not needed. The seeds are fixed: the
same packages write the same bytes again.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

TREES, DEPTH = 20, 4


def forest_node(forest, names, source, label, probabilities):
    """A scikit-learn forest as one TreeEnsembleClassifier node."""
    nodes = {
        key: []
        for key in (
            "treeids nodeids featureids values modes truenodeids falsenodeids "
            "hitrates missing_value_tracks_true"
        ).split()
    }
    leaves = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    for number, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        for node in range(tree.node_count):
            leaf = tree.children_left[node] == -1
            nodes["treeids"].append(number)
            nodes["nodeids"].append(node)
            nodes["featureids"].append(0 if leaf else int(tree.feature[node]))
            nodes["values"].append(0.0 if leaf else float(np.float32(tree.threshold[node])))
            nodes["modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            nodes["truenodeids"].append(0 if leaf else int(tree.children_left[node]))
            nodes["falsenodeids"].append(0 if leaf else int(tree.children_right[node]))
            nodes["hitrates"].append(1.0)
            nodes["missing_value_tracks_true"].append(0)
            if leaf:
                share = tree.value[node][0] / tree.value[node][0].sum()
                for index, weight in enumerate(share):
                    leaves["treeids"].append(number)
                    leaves["nodeids"].append(node)
                    leaves["ids"].append(index)
                    leaves["weights"].append(float(weight) / TREES)
    return helper.make_node(
        "TreeEnsembleClassifier",
        [source],
        [label, probabilities],
        domain="ai.onnx.ml",
        post_transform="NONE",
        classlabels_strings=names,
        **{f"nodes_{key}": values for key, values in nodes.items()},
        **{f"class_{key}": values for key, values in leaves.items()},
    )


def build(forest, names, zipmap):
    scores = "scores" if zipmap else "probabilities"
    nodes = [
        helper.make_node("Cast", ["features"], ["numbers"], to=TensorProto.FLOAT),
        forest_node(forest, names, "numbers", "label", scores),
    ]
    if zipmap:
        nodes.append(
            helper.make_node(
                "ZipMap",
                [scores],
                ["probabilities"],
                domain="ai.onnx.ml",
                classlabels_strings=names,
            )
        )
        kind = onnx.TypeProto()
        pairs = kind.sequence_type.elem_type.map_type
        pairs.key_type = TensorProto.STRING
        pairs.value_type.tensor_type.elem_type = TensorProto.FLOAT
        probabilities = helper.make_value_info("probabilities", kind)
    else:
        probabilities = helper.make_tensor_value_info(
            "probabilities", TensorProto.FLOAT, ["batch", len(names)]
        )
    graph = helper.make_graph(
        nodes,
        "iris-zipmap" if zipmap else "iris",
        [helper.make_tensor_value_info("features", TensorProto.INT64, ["batch", 4])],
        [helper.make_tensor_value_info("label", TensorProto.STRING, ["batch"]), probabilities],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
        producer_name="ortlet-models",
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    iris = load_iris()
    features = (iris.data * 10).round().astype(np.int64)
    names = [str(name) for name in iris.target_names]
    training, held_back, truth, new_truth = train_test_split(
        features, iris.target, test_size=0.3, random_state=0
    )
    forest = RandomForestClassifier(TREES, max_depth=DEPTH, random_state=0)
    forest.fit(training, truth)
    right = forest.predict(held_back) == new_truth
    print(f"right on {right.sum()} of {len(right)} held-back rows ({right.mean():.4f})")
    print("held-back rows:", [f"{r.tolist()} {names[t]}" for r, t in zip(held_back[:4], new_truth)])
    onnx.save(build(forest, names, zipmap=False), sys.argv[1])
    onnx.save(build(forest, names, zipmap=True), sys.argv[2])


if __name__ == "__main__":
    main()
