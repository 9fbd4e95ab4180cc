"""Money over bare numbers: costs, rules that turn values into payments, settlements to the cent."""
