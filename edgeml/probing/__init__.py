"""What an operating system does not tell: memory bandwidth and multiply-adds of one core, measured."""
