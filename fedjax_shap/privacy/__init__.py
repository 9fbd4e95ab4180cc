"""Privacy: what is done to numbers before they leave a member, and what is known of it after."""
