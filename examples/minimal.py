"""A model and a data set of this project in Lightning's own training loop, judged by the protocol.

    python examples/minimal.py

Both are plain Lightning objects, and callbacks, loggers and devices are the trainer's.
"""

from lightning.pytorch import Trainer, seed_everything

import unsup
from unsup.data.digits import Digits
from unsup.models.ae import AE

seed_everything(0)
data = Digits(batch_size=64)
model = AE(data.shape, code_dim=16, lr=3e-3)
trainer = Trainer(max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(model, datamodule=data)

result = unsup.evaluate(model, data)
print(result.scores["linear_probe"])
