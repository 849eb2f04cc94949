/** The options of discovery v5. */
import { DEFAULT_DISCV5_LIMITS, type Discv5Event, type Discv5Limits } from '../discv5/index.ts';
import {
  checkServiceOptions,
  type ServiceConfig,
  type ServiceEvent,
  type ServiceOptions,
} from './service-options.ts';

export type Discv5ServiceEvent =
  | Discv5Event
  | ServiceEvent
  /** A handler of `serveTalk` has thrown, or its answer is none that can be sent: the other side gets an empty one. */
  | { readonly kind: 'talk-failed'; readonly protocol: string; readonly error: unknown };
/** `limits`: default `DEFAULT_DISCV5_LIMITS`. */
export type Discv5ServiceOptions = ServiceOptions<keyof Discv5Limits, Discv5ServiceEvent>;
export type Discv5ServiceConfig = ServiceConfig<keyof Discv5Limits, Discv5ServiceEvent>;

/** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
export function checkDiscv5Options(options: Discv5ServiceOptions): Discv5ServiceConfig {
  return checkServiceOptions(options, DEFAULT_DISCV5_LIMITS);
}
