"""Submissions that are odd: damaged, hostile, or honest in an unusual way.

course      a small course of one notebook that they are aimed at; every secret has a canary
machinery   attacks on the checks inside the student's own process
structure   cells deleted, moved, doubled, retyped, relabelled
files       cut off, merged, linked, huge, misnamed
processes   crashes, hangs, floods
data        reading and damaging what belongs to others
cheats      getting points without the work
sly         what was found by trying to break in
honest      work that must not suffer

Each is a function that edits a `Handed`; its name says what happens, `fair` what a fair grader
gives it, in points out of 8: lowest and highest, or None where nothing can be graded and the
failure must have a name.
"""
