"""Pulumi component resources: what a stack is made of, one file each. Decisions are delivery's, input and output is providers'."""
