/**
 * UPnP IGD (UPnP Device Architecture 1.1; WANIPConnection:1 and :2, WANPPPConnection:1, WANIPv6FirewallControl:1): what is said, and
 * understood.
 */
import { parseIpv4 } from '../base/ip.ts';
import { believedAddress, lie, noAddress, PROTOCOL_NUMBERS, refused, type WantedMapping } from './mapping.ts';
import { elementsOf, parseXml, textOf, type XmlElement } from './xml.ts';

export const SSDP_PORT = 1900;
export const SSDP_GROUP = '239.255.255.250';
/** Of the link, by IPv6 (annex A). */
export const SSDP_GROUP6 = 'ff02::c';
/** Longer answers are not read. */
export const MAX_SSDP_SIZE = 2_048;

/** Devices that are looked for; one of the second version answers for the first as well. */
const DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
/** Services that map ports, the best first. */
const MAPPING_SERVICES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const;
/** Services that open the firewall for IPv6. */
const PINHOLE_SERVICES = ['urn:schemas-upnp-org:service:WANIPv6FirewallControl:1'] as const;
/** Services of a router that are tried: those for DSL often have two or three. */
export const MAX_SERVICES = 4;
const MAX_URL_LENGTH = 1_024;
/** By which people, and we, know our mappings. */
const DESCRIPTION = 'peerlane';

/** Of GetSpecificPortMappingEntry (WANIPConnection:1, section 2.4.15). */
export const NO_SUCH_MAPPING = 714;
/** Errors of AddPortMapping (section 2.4.16; 729: WANIPConnection:2): the port is another's. */
export const TAKEN: ReadonlySet<number | undefined> = new Set([718, 729]);
export const ONLY_PERMANENT = 725;
/** "Invalid Args", "Action Failed": all that some routers say of a port that is taken, or of a mapping that is to have an end. */
export const UNSAID: ReadonlySet<number | undefined> = new Set([402, 501]);
const ERRORS: Readonly<Record<number, string>> = {
  401: 'it does not know the action',
  402: 'it does not take the arguments',
  501: 'it cannot do it',
  606: 'it is not allowed',
  // Of AddPinhole (WANIPv6FirewallControl:1).
  701: 'it has no room',
  702: 'its firewall is off',
  703: 'it opens its firewall for nobody',
  705: 'it does not know the protocol',
  715: 'it wants the address of the remote host',
  716: 'it does not take any external port',
  718: 'the port is taken',
  724: 'the external port must be the internal one',
  725: 'it makes mappings without an end only',
  728: 'it has no room',
  729: 'the port is taken by another mechanism',
};

/** Where the actions of a service are asked for. */
export interface UpnpService {
  readonly type: string;
  readonly path: string;
  readonly port: number;
}

/** Looks for routers (section 1.3.2). */
export function encodeSearch(host: string, port: number): Uint8Array {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${host}:${port}`,
    'MAN: "ssdp:discover"',
    'MX: 1',
    `ST: ${DEVICE}`,
  ];
  return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`);
}

/** A place on the router that has answered. */
export interface UpnpPlace {
  readonly path: string;
  readonly port: number;
}

/**
 * Where a router describes itself; `undefined` for a packet that is no such answer.
 * @param from where the answer comes from, as text of an IPv4 address; undefined: by IPv6, where a router has many addresses, and
 * the caller asks at the one that it knows, whatever is named
 * @throws PeerlaneError `nat-lie` when it is on another host: a router must not have us call others
 */
export function decodeSearchAnswer(packet: Uint8Array, from: string | undefined): UpnpPlace | undefined {
  if (packet.length > MAX_SSDP_SIZE) return undefined;
  const lines = new TextDecoder('latin1').decode(packet).split('\r\n');
  if (!/^HTTP\/1\.[01] 200\b/.test(lines[0] ?? '')) return undefined;
  const fieldOf = (name: string): string | undefined =>
    lines
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  const [target = '', location] = [fieldOf('st'), fieldOf('location')];
  if (!/^urn:schemas-upnp-org:device:InternetGatewayDevice:\d{1,2}$/.test(target) || location === undefined)
    return undefined;
  return placeOf(location, from, undefined);
}

/** @throws PeerlaneError `nat-lie` unless it is an http URL of that host, if one is given */
function placeOf(text: string, host: string | undefined, base: string | undefined): UpnpPlace {
  let url: URL;
  try {
    if (text.length > MAX_URL_LENGTH) throw new Error('too long');
    // Some routers begin a path with `uuid:`, as if that were a scheme.
    const isPath = base !== undefined && /^[a-z][a-z\d+.-]*:(?!\/\/)/i.test(text);
    url = new URL(isPath ? `./${text}` : text, base);
  } catch (error) {
    throw lie('a URL that is none', error);
  }
  const isElsewhere = host !== undefined && url.hostname !== host;
  if (url.protocol !== 'http:' || isElsewhere || url.username !== '' || url.port === '0') {
    throw lie('a URL that is not on the router itself');
  }
  return { path: url.pathname + url.search, port: url.port === '' ? 80 : Number(url.port) };
}

/**
 * Where relative URLs of a description begin: at its `URLBase`, which devices of version 1.0 may have (its section 2.1), unless that is on
 * another host, or else where it was read.
 */
function baseOf(description: XmlElement, host: string | undefined, place: UpnpPlace): string {
  const urlOf = ({ port, path }: UpnpPlace): string => `http://${host ?? 'router'}:${port}${path}`;
  const named = textOf(description, 'URLBase') ?? '';
  try {
    return urlOf(placeOf(named, host, urlOf(place)));
  } catch {
    return urlOf(place);
  }
}

/**
 * The services that map ports, the best first, of a description that was read from `place`; one on another host is passed over.
 * @param host as for `decodeSearchAnswer`; by IPv6, the services that open the firewall are returned
 * @throws PeerlaneError `nat-lie` for a description that is broken, or when all are on other hosts; `nat-refused` when there is none
 */
export function decodeDescription(
  document: string,
  host: string | undefined,
  place: UpnpPlace,
): readonly [UpnpService, ...UpnpService[]] {
  const description = parseXml(document);
  const described = elementsOf(description, 'service').flatMap((service) => {
    const [type, control] = [textOf(service, 'serviceType'), textOf(service, 'controlURL')];
    return type === undefined || control === undefined ? [] : [{ type, control }];
  });
  const base = baseOf(description, host, place);
  const types = host === undefined ? PINHOLE_SERVICES : MAPPING_SERVICES;
  const services: UpnpService[] = [];
  let lied: unknown = refused(
    `the router has no UPnP service that ${host === undefined ? 'opens' : 'maps'} ports`,
  );
  for (const { type, control } of types.flatMap((one) => described.filter(({ type }) => type === one))) {
    try {
      services.push({ type, ...placeOf(control, host, base) });
    } catch (error) {
      lied = error;
    }
  }
  const [best, ...others] = services.slice(0, MAX_SERVICES);
  if (best === undefined) throw lied;
  return [best, ...others];
}

export interface SoapRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function soap(
  { type }: UpnpService,
  action: string,
  values: Readonly<Record<string, string | number>>,
): SoapRequest {
  const fields = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`);
  const body =
    '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${type}">${fields.join('')}</u:${action}></s:Body></s:Envelope>\r\n`;
  return {
    headers: { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` },
    body,
  };
}

export const encodeGetAddress = (service: UpnpService): SoapRequest =>
  soap(service, 'GetExternalIPAddress', {});

/** @param client text of the IPv4 address of this machine; @param lifetime seconds, 0: without an end */
export function encodeAddMapping(
  service: UpnpService,
  { protocol, internalPort, externalPort }: WantedMapping,
  client: string,
  lifetime: number,
): SoapRequest {
  return soap(service, 'AddPortMapping', {
    NewRemoteHost: '',
    NewExternalPort: externalPort,
    NewProtocol: protocol.toUpperCase(),
    NewInternalPort: internalPort,
    NewInternalClient: client,
    NewEnabled: 1,
    NewPortMappingDescription: DESCRIPTION,
    NewLeaseDuration: lifetime,
  });
}

/** Also renews the one of the same endpoints (WANIPv6FirewallControl:1, AddPinhole). @param client text of the IPv6 address of this machine */
export function encodeAddPinhole(
  service: UpnpService,
  { protocol, internalPort, lifetime }: WantedMapping,
  client: string,
): SoapRequest {
  return soap(service, 'AddPinhole', {
    RemoteHost: '',
    RemotePort: 0,
    InternalClient: client,
    InternalPort: internalPort,
    Protocol: PROTOCOL_NUMBERS[protocol],
    LeaseTime: lifetime,
  });
}

/** @param id of `pinholeIdOf` */
export const encodeDeletePinhole = (service: UpnpService, id: number): SoapRequest =>
  soap(service, 'DeletePinhole', { UniqueID: id });

export const encodeDeleteMapping = (service: UpnpService, wanted: WantedMapping): SoapRequest =>
  soap(service, 'DeletePortMapping', externalPortOf(wanted));

/** Asks whose a mapping is. */
export const encodeGetMapping = (service: UpnpService, wanted: WantedMapping): SoapRequest =>
  soap(service, 'GetSpecificPortMappingEntry', externalPortOf(wanted));

const externalPortOf = ({ externalPort, protocol }: WantedMapping) => ({
  NewRemoteHost: '',
  NewExternalPort: externalPort,
  NewProtocol: protocol.toUpperCase(),
});

/** Of a mapping, as the router tells it. */
export interface UpnpMapping {
  readonly client: string | undefined;
  readonly internalPort: number;
  readonly description: string | undefined;
}

export type SoapAnswer =
  | {
      readonly kind: 'done';
      readonly externalIp: string | undefined;
      readonly mapping: UpnpMapping;
      /** By which the router knows a pinhole. */
      readonly pinhole?: string | undefined;
    }
  | { readonly kind: 'failed'; readonly code: number; readonly message: string };

/** @throws PeerlaneError `nat-lie` for an answer that is broken */
export function decodeSoapAnswer(document: string, action: string): SoapAnswer {
  const root = parseXml(document);
  if (elementsOf(root, 'Fault').length > 0) {
    const code = Number(textOf(root, 'errorCode') ?? Number.NaN);
    return { kind: 'failed', code, message: ERRORS[code] ?? `code ${code}` };
  }
  if (elementsOf(root, `${action}Response`).length === 0) throw lie('an answer to something else');
  const mapping = {
    client: textOf(root, 'NewInternalClient'),
    internalPort: Number(textOf(root, 'NewInternalPort') ?? Number.NaN),
    description: textOf(root, 'NewPortMappingDescription'),
  };
  const [externalIp, pinhole] = [textOf(root, 'NewExternalIPAddress'), textOf(root, 'UniqueID')];
  return { kind: 'done', externalIp, mapping, pinhole };
}

/** What a pinhole is deleted by. @throws PeerlaneError `nat-refused`, `nat-lie` unless it is a number of 16 bits */
export function pinholeIdOf(answer: SoapAnswer): number {
  if (answer.kind === 'failed') throw refused(`the router refuses the pinhole by UPnP: ${answer.message}`);
  const { pinhole = '' } = answer;
  const id = Number(pinhole);
  if (!/^\d{1,5}$/.test(pinhole) || id > 65_535) throw lie('a number of the pinhole that is none');
  return id;
}

/**
 * Whether a mapping is what `encodeAddMapping` asks for.
 * @param client text of the IPv4 address of this machine
 */
export function isOwnMapping(
  { client: holder, internalPort, description }: UpnpMapping,
  wanted: WantedMapping,
  client: string,
): boolean {
  return holder === client && internalPort === wanted.internalPort && description === DESCRIPTION;
}

/**
 * Whether a mapping may not be the one that was granted to this machine for `wanted`: the router says that it leads elsewhere. Many
 * say less, or cut descriptions.
 * @param clients texts of the IPv4 addresses that this machine has, and had when the mapping was granted
 */
export function leadsElsewhere(
  { client: holder = '', internalPort }: UpnpMapping,
  wanted: WantedMapping,
  clients: readonly string[],
): boolean {
  const isPortAnother = !Number.isNaN(internalPort) && internalPort !== wanted.internalPort;
  return holder !== '' && (!clients.includes(holder) || isPortAnother);
}

/** @throws PeerlaneError `nat-refused`; `nat-carrier-grade` when there is none; what `believedAddress` throws */
export function externalIpOf(answer: SoapAnswer): string {
  if (answer.kind === 'failed')
    throw refused(`the router does not tell its external address: ${answer.message}`);
  const { externalIp = '' } = answer;
  if (externalIp === '') throw noAddress();
  const address = parseIpv4(externalIp);
  if (address === undefined) throw lie('an external address that is none');
  return believedAddress(address);
}
