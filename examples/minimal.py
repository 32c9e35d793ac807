"""A model and a data set of this project in a training loop of Lightning's own, judged by the protocol.

    python examples/minimal.py

Both are plain Lightning objects: callbacks, loggers and devices are the trainer's.
"""

from lightning.pytorch import Trainer

import unsup
from unsup.data.digits import Digits
from unsup.models.ae import AE


def main() -> None:
    """Train an autoencoder for three epochs, and print what its codes are worth."""
    data = Digits(batch_size=64)
    model = AE(data.shape, code_dim=16, lr=3e-3)
    trainer = Trainer(max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(model, datamodule=data)
    print(unsup.evaluate(model, data).scores["linear_probe"])


if __name__ == "__main__":
    main()
