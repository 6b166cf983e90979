"""SimpleNet: a 10 -> 20 -> 1 multi-layer perceptron, trained and exported with PyTorch.

    input: float32[batch, 10]  ->  output: float32[batch, 1]

Data: made up on the spot. The target is tanh(x . w) of ten normal random
numbers plus some noise; 1,000 rows to train, 1,000 more to measure.

    OMP_NUM_THREADS=1 python3 train.py model.onnx

Needs torch (see ../README.md for the version). The seed is fixed: the same
package on one thread writes the same bytes again.
"""

import sys

import torch
from torch import nn

FEATURES, HIDDEN, ROWS, STEPS, NOISE = 10, 20, 1000, 200, 0.1


class SimpleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(FEATURES, HIDDEN)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(HIDDEN, 1)

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(x)))


def rows(direction):
    x = torch.randn(ROWS, FEATURES)
    y = torch.tanh(x @ direction) + NOISE * torch.randn(ROWS, 1)
    return x, y


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.manual_seed(0)
    torch.set_num_threads(1)

    direction = torch.randn(FEATURES, 1)
    x, y = rows(direction)
    new_x, new_y = rows(direction)

    net = SimpleNet()
    loss_of = nn.MSELoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(net(x), y)
        if step == 0:
            print(f"training MSE before: {loss.item():.4f}")
        loss.backward()
        optimizer.step()

    net.eval()
    with torch.no_grad():
        print(f"training MSE after {STEPS} steps: {loss_of(net(x), y).item():.4f}")
        print(f"MSE on new rows: {loss_of(net(new_x), new_y).item():.4f}")

    # The batch axis stays free, under the name "batch".
    torch.onnx.export(
        net,
        torch.zeros(1, FEATURES),
        sys.argv[1],
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        opset_version=17,
    )


if __name__ == "__main__":
    main()
