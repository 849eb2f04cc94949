/** Names of hosts (RFC 1123, with the underscores of DNS), and texts that systems read as an address instead. */

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
/** As in the URL standard ("ends in a number"), whose hosts then are IPv4 addresses or nothing. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0[xX][0-9a-fA-F]*)\.?$/;

/** Whether systems read the text as an IPv4 address in one of several forms, `127.1` say, or as nothing; never as a name. */
export function endsInNumber(text: string): boolean {
  return ENDS_IN_NUMBER.test(text);
}

export function isHostName(text: string): boolean {
  return HOST_NAME.test(text) && !endsInNumber(text);
}
