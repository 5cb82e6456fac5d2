"""Families of models: one LightningModule each."""
