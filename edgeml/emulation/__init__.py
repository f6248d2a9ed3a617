"""ARM without a board: real engine wheels under QEMU's user mode, and what that can and cannot tell."""
