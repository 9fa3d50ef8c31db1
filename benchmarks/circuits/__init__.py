"""The circuits of the gate-model track, a module for each lesson."""
