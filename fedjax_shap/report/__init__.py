"""Results as tables, sentences, figures and files.

`tables` says what a table is and `render` draws one, for every table of the package; `style` is how
all figures look.
"""
