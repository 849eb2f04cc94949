{
  # node-gyp passes -D options: `node-gyp rebuild -- -Dsanitize=1` (scripts/asan.js).
  'variables': {
    'sanitize%': 0,
    'secp256k1_dir': '<!(node native/secp256k1.js)',
  },
  'target_defaults': {
    'cflags': ['-Wall', '-Wextra', '-fvisibility=hidden'],
    'cflags_c': ['-std=c11'],
    'xcode_settings': {
      'GCC_C_LANGUAGE_STANDARD': 'c11',
      'GCC_OPTIMIZATION_LEVEL': '3',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
    },
    'conditions': [
      ['sanitize==1', {
        'cflags': ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g'],
        'ldflags': ['-fsanitize=address,undefined'],
        'configurations': { 'Release': { 'cflags!': ['-O3'], 'cflags': ['-O1'] } },
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'peerlane',
      'dependencies': ['algorithms', 'aes', 'ghash_clmul', 'sha256_hardware', 'secp256k1'],
      'sources': ['native/addon.cc', 'native/aes_exports.cc', 'native/curve.cc', 'native/envelope_exports.cc', 'native/frame_exports.cc', 'native/hash_exports.cc'],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")', '<(secp256k1_dir)', '<(secp256k1_dir)/include'],
      'defines': ['NAPI_VERSION=8', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED', 'SECP256K1_STATIC'],
      'conditions': [
        # The run-time library of C++ may leave destructors to threads that outlive the last user of the addon.
        ['OS=="linux"', { 'ldflags': ['-Wl,-z,nodelete'] }],
        ['target_arch=="x64"', { 'dependencies': ['keccak_bmi2', 'keccak_avx2', 'keccak_avx512', 'aes_vaes'] }],
        ['target_arch=="arm64"', { 'dependencies': ['keccak_neon'] }],
      ],
    },
    {
      'target_name': 'algorithms',
      'type': 'static_library',
      'sources': [
        'native/cpu.c',
        'native/ecies.c',
        'native/envelope.c',
        'native/frame.c',
        'native/gcm.c',
        'native/ghash_portable.c',
        'native/keccak.c',
        'native/keccak_scalar.c',
        'native/lanes_decode.c',
        'native/lanes_encode.c',
        'native/mac_lanes.c',
        'native/sha256.c',
        'native/sha256_portable.c',
        'native/snappy.c',
      ],
    },
    # gyp has no flags for a single file, so each instruction set is a library of its own.
    {
      'target_name': 'aes',
      'type': 'static_library',
      'sources': ['native/aes.c'],
      'conditions': [
        ['target_arch=="x64"', {
          'cflags': ['-maes', '-msse4.1'],
          'xcode_settings': { 'OTHER_CFLAGS': ['-maes', '-msse4.1'] },
        }],
        ['target_arch=="arm64" and OS!="mac"', { 'cflags': ['-march=armv8-a+crypto'] }],
      ],
    },
    {
      'target_name': 'ghash_clmul',
      'type': 'static_library',
      'sources': ['native/ghash_clmul.c'],
      'conditions': [
        ['target_arch=="x64"', {
          'cflags': ['-mpclmul', '-msse4.1'],
          'xcode_settings': { 'OTHER_CFLAGS': ['-mpclmul', '-msse4.1'] },
        }],
        ['target_arch=="arm64" and OS!="mac"', { 'cflags': ['-march=armv8-a+crypto'] }],
      ],
    },
    {
      'target_name': 'sha256_hardware',
      'type': 'static_library',
      'sources': ['native/sha256_hardware.c'],
      'conditions': [
        ['target_arch=="x64"', {
          'cflags': ['-msha', '-msse4.1'],
          'xcode_settings': { 'OTHER_CFLAGS': ['-msha', '-msse4.1'] },
        }],
        ['target_arch=="arm64" and OS!="mac"', { 'cflags': ['-march=armv8-a+crypto'] }],
      ],
    },
    {
      'target_name': 'secp256k1',
      'type': 'static_library',
      'sources': ['native/secp256k1_all.c'],
      'include_dirs': ['<(secp256k1_dir)', '<(secp256k1_dir)/src'],
      'cflags': ['-w'],
      'defines': [
        'ECMULT_WINDOW_SIZE=10',
        'ENABLE_MODULE_ECDH=1',
        'ENABLE_MODULE_RECOVERY=1',
        # Of 0.8.0 only: the table for multiples of the generator, 88 kB.
        'COMB_BLOCKS=43',
        'COMB_TEETH=6',
        # Of 2019 only, which detects nothing itself.
        'ECMULT_GEN_PREC_BITS=4',
        'USE_ENDOMORPHISM=1',
        'USE_NUM_NONE=1',
        'USE_FIELD_INV_BUILTIN=1',
        'USE_SCALAR_INV_BUILTIN=1',
      ],
      'conditions': [
        # The npm package takes the 32-bit code on arm64; the compilers there have 128-bit integers just as well.
        ['OS!="win" and (target_arch=="x64" or target_arch=="arm64")', {
          'defines': ['HAVE___INT128=1', 'USE_FIELD_5X52=1', 'USE_SCALAR_4X64=1'],
        }, {
          'defines': ['USE_FIELD_10X26=1', 'USE_SCALAR_8X32=1'],
        }],
        # Sanitizers cannot see into the assembly, and take the registers that it needs.
        ['OS!="win" and target_arch=="x64" and sanitize==0', { 'defines': ['USE_ASM_X86_64=1'] }],
        # At -O3 gcc makes a tenth more of the time of a key agreement.
        ['sanitize==0', { 'configurations': { 'Release': { 'cflags!': ['-O3'], 'cflags': ['-O2'] } } }],
      ],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'keccak_bmi2',
          'type': 'static_library',
          'sources': ['native/keccak_bmi2.c'],
          'cflags': ['-mbmi', '-mbmi2'],
          'xcode_settings': { 'OTHER_CFLAGS': ['-mbmi', '-mbmi2'] },
        },
        {
          'target_name': 'keccak_avx2',
          'type': 'static_library',
          'sources': ['native/keccak_x4_avx2.c'],
          'cflags': ['-mavx2'],
          'xcode_settings': { 'OTHER_CFLAGS': ['-mavx2'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['/arch:AVX2'] } },
        },
        {
          'target_name': 'keccak_avx512',
          'type': 'static_library',
          'sources': ['native/keccak_avx512vl.c', 'native/keccak_x4_avx512vl.c', 'native/keccak_x8_avx512.c'],
          'cflags': ['-mavx512f', '-mavx512vl'],
          'xcode_settings': { 'OTHER_CFLAGS': ['-mavx512f', '-mavx512vl'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['/arch:AVX512'] } },
        },
        {
          'target_name': 'aes_vaes',
          'type': 'static_library',
          'sources': ['native/aes_vaes.c'],
          'cflags': ['-mavx512f', '-mavx512bw', '-mvaes'],
          'xcode_settings': { 'OTHER_CFLAGS': ['-mavx512f', '-mavx512bw', '-mvaes'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['/arch:AVX512'] } },
        },
      ],
    }],
    ['target_arch=="arm64"', {
      'targets': [
        {
          'target_name': 'keccak_neon',
          'type': 'static_library',
          'sources': ['native/keccak_x2_neon.c'],
        },
      ],
    }],
  ],
}
