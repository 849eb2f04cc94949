/** The options of discovery v4. */
import { DEFAULT_LIMITS, type Discv4Event, type IntakeLimits } from '../discv4/index.ts';
import {
  checkServiceOptions,
  type ServiceConfig,
  type ServiceEvent,
  type ServiceOptions,
} from './service-options.ts';

export type Discv4ServiceEvent = Discv4Event | ServiceEvent;
/** `limits`: default `DEFAULT_LIMITS`. */
export type Discv4ServiceOptions = ServiceOptions<keyof IntakeLimits, Discv4ServiceEvent>;
export type Discv4ServiceConfig = ServiceConfig<keyof IntakeLimits, Discv4ServiceEvent>;

/** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
export function checkDiscv4Options(options: Discv4ServiceOptions): Discv4ServiceConfig {
  return checkServiceOptions(options, DEFAULT_LIMITS);
}
