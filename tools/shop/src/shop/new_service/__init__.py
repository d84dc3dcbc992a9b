"""`shop new service`: writes a service from a template, and adds its name to every file that names each service.

`names` checks a name, `places` edits files that people maintain, `write` carries out all steps. copier renders the
template (docs/decisions/0028).
"""
