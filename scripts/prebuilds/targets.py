# A generator for gyp: prints the targets of a build file as JSON, their variables and conditions resolved.
#   gyp_main.py binding.gyp --format scripts/prebuilds/targets.py -DOS=mac -Dtarget_arch=arm64
# No dash in this file's path: gyp takes what follows one for a flavor.
import json

from gyp.common import ParseQualifiedTarget
from gyp.generator import gypd

generator_default_variables = gypd.generator_default_variables
generator_supports_multiple_toolsets = True


def GenerateOutput(target_list, target_dicts, data, params):
    print(json.dumps({ParseQualifiedTarget(name)[1]: target_dicts[name] for name in target_list}))
