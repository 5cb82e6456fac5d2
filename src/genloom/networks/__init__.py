"""Networks: plain modules, one file per architecture; no loss, no Lightning, no configuration."""
