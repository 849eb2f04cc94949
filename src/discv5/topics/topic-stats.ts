/**
 * What has become of the requests of others. Who is `refused`, or has sent no valid record (`invalid`), is told to wait each time; what is
 * `shed` gets no answer.
 */
export interface TopicAnswerCounts {
  readonly admitted: number;
  readonly wait: number;
  readonly refused: number;
  readonly queried: number;
  readonly invalid: number;
  readonly shed: number;
}

export interface TopicStats {
  /** Advertisements that this node keeps for others, and of how many topics. */
  readonly ads: number;
  readonly topics: number;
  readonly answers: TopicAnswerCounts;
  /** Topics that this node advertises, searches that somebody waits for, and requests for both that await an answer. */
  readonly advertisements: number;
  readonly searches: number;
  readonly requests: number;
}
