"""Handwritten digits: a small convolutional network, trained and exported with PyTorch.

    image: float32[batch, 1, 8, 8], grey values 0..1  ->  probabilities: float32[batch, 10]

Data: the 1,797 images of 8x8 pixels that scikit-learn carries (load_digits,
from the UCI set "Optical Recognition of Handwritten Digits"); pixel values
0..16 are divided by 16. 1,400 images train, the other 397 measure.

    OMP_NUM_THREADS=1 python3 train.py model.onnx [labels.txt] [request.json]

Needs torch and scikit-learn (see ../README.md for the versions). request.json
becomes a ready request body with one of the 397 images. The seed is fixed: the
same packages on one thread write the same bytes again.
"""

import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

TRAINING, EPOCHS, BATCH = 1400, 25, 64
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, 10),
    )


def request_body(image):
    """One image as an Open Inference Protocol request, a line for each pixel row."""
    pixel_rows = [", ".join(f"{v:g}" for v in row) for row in image[0].tolist()]
    data = ",\n        ".join(pixel_rows)
    return (
        '{\n  "inputs": [\n    {\n      "name": "image",\n      "shape": [1, 1, 8, 8],\n'
        f'      "datatype": "FP32",\n      "data": [\n        {data}\n      ]\n    }}\n  ]\n}}\n'
    )


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    torch.manual_seed(0)
    torch.set_num_threads(1)

    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target).long()
    order = torch.randperm(len(images))
    training, held_back = order[:TRAINING], order[TRAINING:]

    net = network()
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        shuffled = training[torch.randperm(TRAINING)]
        for picked in shuffled.split(BATCH):
            optimizer.zero_grad()
            loss_of(net(images[picked]), labels[picked]).backward()
            optimizer.step()

    net.eval()
    with torch.no_grad():
        right = net(images[held_back]).argmax(1) == labels[held_back]
    print(f"right on {int(right.sum())} of {len(right)} held-back images ({right.float().mean():.4f})")

    torch.onnx.export(
        nn.Sequential(net, nn.Softmax(1)),
        images[:1],
        sys.argv[1],
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}},
        opset_version=17,
    )
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    if len(sys.argv) > 3:
        example = held_back[0]
        Path(sys.argv[3]).write_text(request_body(images[example]), encoding="utf-8")
        print(f"request.json: image {int(example)}, written as a {int(labels[example])}")


if __name__ == "__main__":
    main()
