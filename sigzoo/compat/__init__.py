"""The functions of the published programs, under their names, computed by sigzoo: change the imports only.

`sigzoo.compat.wiwd` stands for sigver_wiwd (Theano and Lasagne), `sigzoo.compat.sigver` for sigver (PyTorch).
Results are the published ones, pixel for pixel and feature for feature; files are read safely.
"""
