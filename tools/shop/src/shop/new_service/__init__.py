"""`shop new service`: a service from a template, and its name in every file that names each service.

`names` judges a name, `places` edits the files that people write, `write` joins the steps. The template is rendered by
copier (docs/decisions/0028).
"""
