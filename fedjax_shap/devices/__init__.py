"""What members' machines do in a run, and what that costs.

A `Profile` says how fast a machine is and what it costs. `profile` gives one by name (`PROFILES`
has them all), `profiles_from_csv` reads several. `usage` is what a run takes of machines and `bill`
what that costs; `timed` is the number of steps that a machine does in a time budget.
"""

from fedjax_shap.devices.device import Profile, Usage, bill, steps_per_second, usage
from fedjax_shap.devices.fleet import FLEETS, Metered
from fedjax_shap.devices.profiles import PROFILES, profiles_from_csv
from fedjax_shap.devices.profiles import named as profile
from fedjax_shap.devices.timed import timed
from fedjax_shap.devices.workload import Workload, workload

__all__ = [
    "FLEETS",
    "PROFILES",
    "Metered",
    "Profile",
    "Usage",
    "Workload",
    "bill",
    "profile",
    "profiles_from_csv",
    "steps_per_second",
    "timed",
    "usage",
    "workload",
]
