import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPeerlaneError } from '../../src/base/errors.ts';
import {
  decodeDescription,
  decodeSearchAnswer,
  decodeSoapAnswer,
  encodeAddMapping,
  encodeAddPinhole,
  encodeDeletePinhole,
  encodeGetMapping,
  encodeSearch,
  externalIpOf,
  isOwnMapping,
  MAX_SERVICES,
  pinholeIdOf,
} from '../../src/nat/index.ts';
import { MAX_XML_DEPTH, MAX_XML_ELEMENTS, MAX_XML_LENGTH, parseXml } from '../../src/nat/xml.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { WANTED } from '../support/wanted-mapping.ts';

const ROUTER = '192.168.1.1';
const TYPE = 'urn:schemas-upnp-org:service:WANIPConnection:1';
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
const DESCRIPTION = `http://${ROUTER}:5000/root.xml`;
function searchAnswer({ at = DESCRIPTION, st = DEVICE } = {}): Uint8Array {
  return text(`HTTP/1.1 200 OK\r\nST: ${st}\r\nLocation: ${at}\r\n\r\n`);
}
const description = (control = '/ctl/IPConn', type = TYPE) =>
  `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceList><device><serviceList>
   <service><serviceType>urn:other</serviceType><controlURL>/other</controlURL></service>
   <service><serviceType>${type}</serviceType><controlURL>${control}</controlURL></service>
   </serviceList></device></deviceList></device></root>`;
const soap = (body: string) =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`;
const place = { port: 5_000, path: '/root.xml' };

describe('the search for a router', () => {
  it('is the request of UPnP Device Architecture 1.1', () => {
    expect(new TextDecoder().decode(encodeSearch('239.255.255.250', 1900)).split('\r\n')).toEqual([
      'M-SEARCH * HTTP/1.1',
      'HOST: 239.255.255.250:1900',
      'MAN: "ssdp:discover"',
      'MX: 1',
      'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1',
      '',
      '',
    ]);
  });

  it('finds where it describes itself', () => {
    expect(decodeSearchAnswer(searchAnswer(), ROUTER)).toEqual(place);
  });

  it('by IPv6 finds the place on the router, by whichever of its addresses it names it', () => {
    expect(decodeSearchAnswer(searchAnswer({ at: 'http://[2a01::1]:5000/root.xml' }), undefined)).toEqual(
      place,
    );
    const [secure, none] = ['https://[2a01::1]/', 'http://[2a01::1/'];
    for (const at of [secure, none])
      expect(codeOf(() => decodeSearchAnswer(searchAnswer({ at }), undefined))).toBe('nat-lie');
  });

  it('passes over other devices', () => {
    expect(decodeSearchAnswer(searchAnswer({ st: 'upnp:rootdevice' }), ROUTER)).toBeUndefined();
    expect(decodeSearchAnswer(text('NOTIFY * HTTP/1.1\r\n\r\n'), ROUTER)).toBeUndefined();
  });

  it.each([
    'http://192.168.1.9:5000/root.xml',
    'https://192.168.1.1/',
    'file:///etc/passwd',
    'nonsense',
    'http://a@192.168.1.1/',
  ])('does not go to %s', (location) => {
    expect(codeOf(() => decodeSearchAnswer(searchAnswer({ at: location }), ROUTER))).toBe('nat-lie');
  });
});

describe('a description', () => {
  it('names the service that maps ports', () => {
    expect(decodeDescription(description(), ROUTER, place)).toEqual([
      { type: TYPE, port: 5_000, path: '/ctl/IPConn' },
    ]);
  });

  const serviceOf = (type: string, control: string) =>
    `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${control}</controlURL></service>`;

  it('names all of them, the best first, but those on another host, and not for ever', () => {
    const described = (...services: string[]) =>
      decodeDescription(`<root>${services.join('')}</root>`, ROUTER, place).map(({ path }) => path);
    const ppp = serviceOf('WANPPPConnection:1', '/ppp');
    const ip = serviceOf('WANIPConnection:1', '/ip');
    const elsewhere = serviceOf('WANIPConnection:2', 'http://192.168.1.9/x');
    expect(described(ppp, ip)).toEqual(['/ip', '/ppp']);
    expect(described(ppp, serviceOf('WANIPConnection:2', '/2'), ip, ip)).toEqual([
      '/2',
      '/ip',
      '/ip',
      '/ppp',
    ]);
    expect(described(elsewhere, ppp)).toEqual(['/ppp']);
    expect(described(...Array(100).fill(ip))).toHaveLength(MAX_SERVICES);
  });

  it('names by IPv6 the service that opens the firewall, and no other', () => {
    const firewall = serviceOf('WANIPv6FirewallControl:1', '/fw');
    const document = `<root>${serviceOf('WANIPConnection:1', '/ip')}${firewall}</root>`;
    expect(decodeDescription(document, undefined, place).map(({ path }) => path)).toEqual(['/fw']);
    expect(decodeDescription(document, ROUTER, place).map(({ path }) => path)).toEqual(['/ip']);
    const absolute = serviceOf('WANIPv6FirewallControl:1', 'http://[2a01::1]:7/fw');
    expect(decodeDescription(absolute, undefined, place)).toMatchObject([{ port: 7, path: '/fw' }]);
    expect(codeOf(() => decodeDescription(description(), undefined, place))).toBe('nat-refused');
  });

  it.each([
    ['http://192.168.1.1:5431/', '/ctl', { port: 5_431, path: '/ctl' }],
    ['http://192.168.1.1:5431/igd/', 'ctl', { port: 5_431, path: '/igd/ctl' }],
    ['', 'ctl', { port: 5_000, path: '/ctl' }],
    // A router must not have us call others.
    ['http://192.168.1.9:80/', '/ctl', { port: 5_000, path: '/ctl' }],
    ['nonsense://', '/ctl', { port: 5_000, path: '/ctl' }],
    ['', 'uuid:0013/WANIPConnection:1', { port: 5_000, path: '/uuid:0013/WANIPConnection:1' }],
  ])('with the URLBase %j has %s there', (base, control, at) => {
    const document = `<root><URLBase>${base}</URLBase>${serviceOf('WANIPConnection:1', control)}</root>`;
    expect(decodeDescription(document, ROUTER, place)).toMatchObject([at]);
  });

  it.each(['\n', '\r\n  ', '\ufeff', '\ufeff\n'])('may begin with white space: %j', (space) => {
    expect(decodeDescription(space + description(), ROUTER, place)).toHaveLength(1);
  });

  it('without one is a refusal', () => {
    expect(codeOf(() => decodeDescription(description('/x', 'urn:y'), ROUTER, place))).toBe('nat-refused');
  });

  it.each([
    ['has a control URL elsewhere', description('http://192.168.1.9/x')],
    ['is broken', description().slice(0, -10)],
    ['is empty', ''],
    ['is too long', `<a>${'x'.repeat(MAX_XML_LENGTH)}</a>`],
    ['is too deep', `${'<a>'.repeat(MAX_XML_DEPTH + 1)}${'</a>'.repeat(MAX_XML_DEPTH + 1)}`],
    ['has too many elements', `<a>${'<b/>'.repeat(MAX_XML_ELEMENTS)}</a>`],
    ['has a document type', `<!DOCTYPE a [<!ENTITY b "cc">]>${'<a>&b;</a>'}`],
    ['has entities of its own', '<a>&b;</a>'],
  ])('that %s is a lie', (_, document) => {
    expect(codeOf(() => decodeDescription(document, ROUTER, place))).toBe('nat-lie');
  });
});

describe('an action', () => {
  it('asks for a mapping', () => {
    const wanted = {
      protocol: 'udp',
      internalPort: 1,
      externalPort: 2,
      lifetime: 3,
      nonce: new Uint8Array(12),
    } as const;
    const { headers, body } = encodeAddMapping({ type: TYPE, ...place }, wanted, '192.168.1.2', 600);
    expect(headers.SOAPAction).toBe(`"${TYPE}#AddPortMapping"`);
    expect(parseXml(body).children[0]?.children[0]?.children.map(({ name, text }) => [name, text])).toEqual([
      ['NewRemoteHost', ''],
      ['NewExternalPort', '2'],
      ['NewProtocol', 'UDP'],
      ['NewInternalPort', '1'],
      ['NewInternalClient', '192.168.1.2'],
      ['NewEnabled', '1'],
      ['NewPortMappingDescription', 'peerlane'],
      ['NewLeaseDuration', '600'],
    ]);
  });

  it('asks for a pinhole (WANIPv6FirewallControl:1), and takes it back', () => {
    const fieldsOf = ({ body }: { body: string }) =>
      parseXml(body).children[0]?.children[0]?.children.map(({ name, text }) => [name, text]);
    const asked = encodeAddPinhole({ type: TYPE, ...place }, WANTED, '2a01::1');
    expect(asked.headers.SOAPAction).toBe(`"${TYPE}#AddPinhole"`);
    expect(fieldsOf(asked)).toEqual([
      ['RemoteHost', ''],
      ['RemotePort', '0'],
      ['InternalClient', '2a01::1'],
      ['InternalPort', '30303'],
      ['Protocol', '6'],
      ['LeaseTime', '600'],
    ]);
    expect(fieldsOf(encodeDeletePinhole({ type: TYPE, ...place }, 7))).toEqual([['UniqueID', '7']]);
  });

  it.each([
    ['7', 7],
    ['65535', 65_535],
    ['65536', 'nat-lie'],
    ['-1', 'nat-lie'],
    ['', 'nat-lie'],
    ['1e3', 'nat-lie'],
    ['&lt;a/&gt;', 'nat-lie'],
  ])('is answered with the number of a pinhole: %s', (id, expected) => {
    const body = soap(`<u:AddPinholeResponse xmlns:u="x"><UniqueID>${id}</UniqueID></u:AddPinholeResponse>`);
    const read = () => pinholeIdOf(decodeSoapAnswer(body, 'AddPinhole'));
    if (typeof expected === 'number') expect(read()).toBe(expected);
    else expect(codeOf(read)).toBe(expected);
  });

  it('that a firewall refuses is refused', () => {
    const fault = soap('<s:Fault><errorCode>703</errorCode></s:Fault>');
    const read = () => pinholeIdOf(decodeSoapAnswer(fault, 'AddPinhole'));
    expect(read).toThrow('it opens its firewall for nobody');
    expect(codeOf(read)).toBe('nat-refused');
  });

  it('is answered', () => {
    const answer = soap(
      '<u:GetExternalIPAddressResponse xmlns:u="x"><NewExternalIPAddress>1.2.3.4</NewExternalIPAddress></u:GetExternalIPAddressResponse>',
    );
    expect(externalIpOf(decodeSoapAnswer(answer, 'GetExternalIPAddress'))).toBe('1.2.3.4');
  });

  it('fails with a code', () => {
    const answer = soap(
      '<s:Fault><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault>',
    );
    expect(decodeSoapAnswer(answer, 'AddPortMapping')).toEqual({
      kind: 'failed',
      code: 718,
      message: 'the port is taken',
    });
  });

  it.each([
    ['no address', '', 'nat-carrier-grade'],
    ['a private one', '10.0.0.1', 'nat-carrier-grade'],
    ['none that is one', 'example.org', 'nat-lie'],
  ])('that gives %s is refused', (_, externalIp, code) => {
    const mapping = { client: undefined, internalPort: Number.NaN, description: undefined };
    expect(codeOf(() => externalIpOf({ kind: 'done', externalIp, mapping }))).toBe(code);
  });

  it.each([
    ['ours', '<NewInternalClient>192.168.1.2</NewInternalClient>', true],
    ['of another host', '<NewInternalClient>192.168.1.20</NewInternalClient>', false],
    ['of nobody', '<NewInternalClient/>', false],
    ['that is not told of', '', false],
  ])('says whose a mapping is: %s', (_, client, isOurs) => {
    const wanted = { ...WANTED, internalPort: 1, externalPort: 2 };
    const { headers, body } = encodeGetMapping({ type: TYPE, ...place }, wanted);
    expect(headers.SOAPAction).toBe(`"${TYPE}#GetSpecificPortMappingEntry"`);
    expect(parseXml(body).children[0]?.children[0]?.children.map(({ name, text }) => [name, text])).toEqual([
      ['NewRemoteHost', ''],
      ['NewExternalPort', '2'],
      ['NewProtocol', 'TCP'],
    ]);
    const fields = `<NewInternalPort>1</NewInternalPort>${client}<NewEnabled>1</NewEnabled>
      <NewPortMappingDescription>peerlane</NewPortMappingDescription><NewLeaseDuration>0</NewLeaseDuration>`;
    const name = 'GetSpecificPortMappingEntry';
    const answer = decodeSoapAnswer(
      soap(`<u:${name}Response xmlns:u="x">${fields}</u:${name}Response>`),
      name,
    );
    expect(answer.kind === 'done' && isOwnMapping(answer.mapping, wanted, '192.168.1.2')).toBe(isOurs);
  });

  it('is not answered by another one', () => {
    expect(codeOf(() => decodeSoapAnswer(soap('<u:OtherResponse xmlns:u="x"/>'), 'AddPortMapping'))).toBe(
      'nat-lie',
    );
  });
});

it('survives anything that a router says (fuzz)', () => {
  const documents = [description(), soap('<s:Fault><errorCode>1</errorCode></s:Fault>')];
  const cut = fc
    .tuple(fc.constantFrom(...documents), fc.nat(600), fc.string(), fc.nat(20))
    .map(([document, at, put, length]) => document.slice(0, at) + put + document.slice(at + length));
  const safe = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      expect(isPeerlaneError(error)).toBe(true);
    }
  };
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), cut), (document) => {
      safe(() => decodeDescription(document, ROUTER, place));
      safe(() => decodeDescription(document, undefined, place));
      safe(() => externalIpOf(decodeSoapAnswer(document, 'AddPortMapping')));
      safe(() => pinholeIdOf(decodeSoapAnswer(document, 'AddPinhole')));
      safe(() => decodeSearchAnswer(text(document), ROUTER));
      safe(() => decodeSearchAnswer(searchAnswer({ at: document }), ROUTER));
      safe(() => decodeSearchAnswer(searchAnswer({ at: document }), undefined));
    }),
    { numRuns: runs(1_000) },
  );
});
