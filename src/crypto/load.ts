/** Which backend runs, and why. Chosen once, when this module is loaded. */
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import type { AddonFile } from './addon-file.ts';
import type { Backend } from './backend.ts';
import { jsBackend } from './js.ts';
import { type LoadedBackend, loadNative } from './native.ts';
import { failedSelfTest } from './self-test.ts';

/** The backend in use, for people. */
export interface BackendInfo {
  readonly name: 'native' | 'js';
  /** Instruction tiers, library versions. */
  readonly detail: string;
  /** Why this backend and no other. */
  readonly reason: string;
  /** Where the native backend's code is, and whether it came with the package or was built there. */
  readonly addon?: AddonFile;
}

export interface BackendChoice {
  readonly backend: Backend;
  readonly info: BackendInfo;
}

export type NativeLoader = () => LoadedBackend | { readonly reason: string };

/** The addon's backend if it loads and passes the self-test, else why not. */
function tryNative(load: NativeLoader): LoadedBackend | { readonly reason: string } {
  try {
    const loaded = load();
    if (!('backend' in loaded)) return loaded;
    const failed = failedSelfTest(loaded.backend);
    if (failed === undefined) return loaded;
    return { reason: `the addon fails its self-test: ${failed}` };
  } catch (error) {
    return { reason: `the addon does not work: ${toPeerlaneError(error).message}` };
  }
}

function chosen(backend: Backend, reason: string, addon?: AddonFile): BackendChoice {
  const { name, detail } = backend;
  return { backend, info: { name, detail, reason, ...(addon === undefined ? {} : { addon }) } };
}

/**
 * `wanted` is the value of PEERLANE_BACKEND: `native`, `js`, or `auto` (also when unset or empty), which takes
 * the addon where it works and JavaScript elsewhere.
 * @throws PeerlaneError `backend-unavailable`: `native` was asked for and the addon is not to be had, or the
 * value is another one
 */
export function chooseBackend(wanted: string | undefined, load: NativeLoader, js: Backend): BackendChoice {
  const mode = wanted === undefined || wanted === '' ? 'auto' : wanted;
  if (mode === 'js') return chosen(js, 'PEERLANE_BACKEND=js');
  if (mode !== 'auto' && mode !== 'native') {
    throw new PeerlaneError(
      'backend-unavailable',
      `PEERLANE_BACKEND is '${mode}': expected native, js or auto`,
    );
  }
  const native = tryNative(load);
  if ('backend' in native) {
    const reason = mode === 'native' ? 'PEERLANE_BACKEND=native' : 'the addon works here';
    return chosen(native.backend, reason, native.addon);
  }
  if (mode === 'native') {
    throw new PeerlaneError('backend-unavailable', `PEERLANE_BACKEND=native: ${native.reason}`);
  }
  return chosen(js, native.reason);
}

export const { backend, info } = chooseBackend(process.env.PEERLANE_BACKEND, loadNative, jsBackend);
