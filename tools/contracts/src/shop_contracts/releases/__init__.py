"""Releases of services: what one is, how it is made, and its code as a folder.

release.py      a release as a file of releases/: read, list, write
model.py        a release as data; file_text.py its text
snapshot.py     what a commit says of a service; a release file is compared with it
sending.py      the event types that its code sends
numbers.py      its numbers are compared with the released texts
providers.py    the providers that the expectations of a service may name
make.py         `shop release`: checks the clone and writes the file
texts.py        the numbers of its released texts; freezing.py copies them
checkout.py     the code of a release, taken out of git
environment.py  the Python environment in which the code of a release runs
git.py          questions to git
"""
