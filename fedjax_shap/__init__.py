"""fedjax_shap: what each member's data is worth in a federation, and what it should be paid."""
