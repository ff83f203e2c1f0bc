"""The step of a cell as a program: a graph of values, its derivative, its text. The front end of every engine."""
