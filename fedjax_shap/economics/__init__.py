"""Money over bare numbers: costs, rules that turn values into payments, and settlements to the cent
(Spec 5).
"""
