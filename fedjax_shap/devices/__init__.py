"""What members' machines do in a run, and what that costs."""
