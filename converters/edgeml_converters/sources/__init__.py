"""Kinds of trained models, one file each: recognise, load from file, describe, predict."""
