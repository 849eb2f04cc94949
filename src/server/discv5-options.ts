/** The options of discovery v5. */
import { invalidArgument, isObject, reading } from '../base/checks.ts';
import {
  DEFAULT_DISCV5_LIMITS,
  type Discv5Event,
  type Discv5Limits,
  type TopicParameters,
  topicParameters,
} from '../discv5/index.ts';
import {
  checkServiceOptions,
  type ServiceConfig,
  type ServiceEvent,
  type ServiceOptions,
} from './service-options.ts';

/** Whether a node takes part in topic discovery. */
export const DEFAULT_TOPICS = true;

export type Discv5ServiceEvent =
  | Discv5Event
  | ServiceEvent
  /**
   * A handler of `serveTalk` has thrown, or its answer is none that can be sent: the other side gets an empty one. Or it has not
   * answered within a second (`request-timeout`): the other side gets none.
   */
  | { readonly kind: 'talk-failed'; readonly protocol: string; readonly error: unknown };

/** `limits`: default `DEFAULT_DISCV5_LIMITS`. */
export interface Discv5ServiceOptions extends ServiceOptions<keyof Discv5Limits, Discv5ServiceEvent> {
  /**
   * Whether the node takes part in topic discovery: it keeps advertisements of others, and may advertise and search itself.
   * The default record says so; one that is given as `record` has to have the entries of `topicDiscoveryEntries` for others
   * to come. An object has parameters that differ from those of the specification. Default: true.
   */
  readonly topics?: boolean | Partial<TopicParameters>;
}

export interface Discv5ServiceConfig extends ServiceConfig<keyof Discv5Limits, Discv5ServiceEvent> {
  /** `false`: it takes no part. */
  readonly topics: TopicParameters | false;
}

/**
 * @param name of the option, for errors
 * @throws PeerlaneError `invalid-argument`
 */
export function checkedTopics(
  name: string,
  topics: boolean | Partial<TopicParameters>,
): TopicParameters | false {
  if (topics === false) return false;
  if (topics === true) return topicParameters();
  if (!isObject(topics)) throw invalidArgument(`${name} is neither a boolean nor an object of parameters`);
  return topicParameters(topics);
}

/** @throws PeerlaneError `invalid-argument`, `invalid-secret-key`, `invalid-enode`, `invalid-record` */
export function checkDiscv5Options(options: Discv5ServiceOptions): Discv5ServiceConfig {
  const config = checkServiceOptions(options, DEFAULT_DISCV5_LIMITS, { topics: true });
  const { topics = DEFAULT_TOPICS } = reading('the options of discovery', () => ({ topics: options.topics }));
  return { ...config, topics: reading('topics', () => checkedTopics('topics', topics)) };
}
