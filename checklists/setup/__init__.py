"""Setting a campaign up, and changing it while it runs: one module per step, each with its forms and views."""
