import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPeerlaneError } from '../../src/base/errors.ts';
import {
  believedAddress,
  decodePcpMap,
  decodePmpAddress,
  decodePmpMap,
  decodeStunAnswer,
  encodePcpMap,
  encodePmpAddress,
  encodePmpMap,
  encodeStunRequest,
  type WantedMapping,
} from '../../src/nat/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';

const NONCE = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
const WANTED: WantedMapping = {
  protocol: 'tcp',
  internalPort: 30_303,
  externalPort: 30_304,
  lifetime: 600,
  nonce: NONCE,
};
/** The own address, for which a firewall is to be opened. */
const OWN6 = Uint8Array.from([0x2a, 0x01, ...new Uint8Array(13), 1]);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** An answer to WANTED by PCP. */
const pcp = ({
  version = '02',
  result = '00',
  lifetime = '00000258',
  nonce = hex(NONCE),
  external = '9c40',
  ip = '00000000000000000000ffff01020304',
} = {}) =>
  bytes(
    `${version} 81 00 ${result} ${lifetime} 00000064 000000000000000000000000
     ${nonce} 06 000000 765f ${external} ${ip}`.replaceAll('\n', ''),
  );
const pmp = ({ result = '0000', port = '765f', external = '9c40', lifetime = '00000258' } = {}) =>
  bytes(`00 82 ${result} 00000064 ${port} ${external} ${lifetime}`);

/** Whatever comes, it is an answer, none, or an error of ours. */
function fuzz(decode: (packet: Uint8Array) => unknown, honest: readonly Uint8Array[]): void {
  const changed = fc
    .tuple(fc.constantFrom(...honest), fc.nat(100), fc.nat(255), fc.nat(120))
    .map(([packet, at, value, length]) => {
      const other = packet.slice(0, length);
      other[at % Math.max(1, other.length)] = value;
      return other;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 1_200 }), changed), (packet) => {
      try {
        decode(packet);
      } catch (error) {
        expect(isPeerlaneError(error)).toBe(true);
      }
    }),
    { numRuns: runs(2_000) },
  );
}

describe('PCP', () => {
  it('asks for a mapping as RFC 6887, figures 2 and 9, have it', () => {
    expect(hex(encodePcpMap(WANTED, Uint8Array.of(192, 168, 1, 2), 600))).toBe(
      hex(
        bytes(
          `02 01 0000 00000258 00000000000000000000ffffc0a80102 ${hex(NONCE)} 06 000000 765f 7660 00000000000000000000ffff00000000`,
        ),
      ),
    );
  });

  it('asks for a pinhole by IPv6 with the own address, and suggests no other', () => {
    expect(hex(encodePcpMap(WANTED, OWN6, 600))).toBe(
      hex(bytes(`02 01 0000 00000258 ${hex(OWN6)} ${hex(NONCE)} 06 000000 765f 7660 ${'00'.repeat(16)}`)),
    );
  });

  it('suggests nothing when it takes a mapping back', () => {
    const packet = encodePcpMap(WANTED, Uint8Array.of(192, 168, 1, 2), 0);
    expect([hex(packet.subarray(4, 8)), hex(packet.subarray(42, 44))]).toEqual(['00000000', '0000']);
  });

  it('reads what the router grants', () => {
    expect(decodePcpMap(pcp(), WANTED)).toEqual({
      kind: 'mapped',
      granted: { externalIp: '1.2.3.4', externalPort: 40_000, lifetime: 600, epoch: 100 },
    });
  });

  it('reads that a firewall is open, where the node has its port and nowhere else', () => {
    const pinhole = { ip: hex(OWN6), external: '765f' };
    const granted = { externalIp: '2a01::1', externalPort: 30_303, lifetime: 600, epoch: 100 };
    expect(decodePcpMap(pcp(pinhole), WANTED, OWN6)).toEqual({ kind: 'mapped', granted });
    const lies = [{ ip: hex(OWN6).replace(/01$/, '02') }, { external: '7660' }, { external: '0000' }];
    for (const other of [...lies, { ip: '00000000000000000000ffff01020304' }, { ip: '00'.repeat(16) }]) {
      expect(codeOf(() => decodePcpMap(pcp({ ...pinhole, ...other }), WANTED, OWN6))).toBe('nat-lie');
    }
    // Of IPv4, on the other hand, is every mapping that is made by IPv4.
    expect(codeOf(() => decodePcpMap(pcp(pinhole), WANTED, Uint8Array.of(8, 8, 8, 8)))).toBe('nat-lie');
  });

  it('knows a router of another version', () => {
    expect(decodePcpMap(bytes('00 81 0001 00000064'), WANTED)).toEqual({ kind: 'other-version' });
    expect(decodePcpMap(pcp({ result: '01' }), WANTED)).toEqual({ kind: 'other-version' });
  });

  it('passes over answers to others, refusals too', () => {
    const nonce = 'ff'.repeat(12);
    expect(decodePcpMap(pcp({ nonce }), WANTED)).toBeUndefined();
    expect(decodePcpMap(pcp({ nonce, result: '02' }), WANTED)).toBeUndefined();
  });

  it.each([
    ['a refusal', { result: '02' }, 'nat-refused'],
    ['a mapping for no time', { lifetime: '00000000' }, 'nat-refused'],
    ['a private address', { ip: '00000000000000000000ffff0a000001' }, 'nat-carrier-grade'],
    ['the address of no host', { ip: '00000000000000000000ffffffffffff' }, 'nat-lie'],
  ])('refuses %s', (_, changes, code) => {
    expect(codeOf(() => decodePcpMap(pcp(changes), WANTED))).toBe(code);
  });

  it.each([undefined, OWN6])('survives anything, asked from %s', (own) =>
    fuzz((packet) => decodePcpMap(packet, WANTED, own), [pcp(), pcp({ ip: hex(OWN6), external: '765f' })]),
  );
});

describe('NAT-PMP', () => {
  it('asks as RFC 6886, sections 3.2 and 3.3, have it', () => {
    expect(hex(encodePmpAddress())).toBe('0000');
    expect(hex(encodePmpMap(WANTED, 600))).toBe('00020000765f766000000258');
    expect(hex(encodePmpMap({ ...WANTED, protocol: 'udp' }, 0))).toBe('00010000765f000000000000');
  });

  it('reads the external address and what is granted', () => {
    expect(decodePmpAddress(bytes('00 80 0000 00000064 01020304'))).toBe('1.2.3.4');
    expect(decodePmpMap(pmp(), WANTED)).toEqual({ externalPort: 40_000, lifetime: 600, epoch: 100 });
  });

  it('passes over answers to others', () => {
    expect(decodePmpMap(pmp({ port: '0001' }), WANTED)).toBeUndefined();
    expect(decodePmpMap(pmp({ port: '0001', result: '0002' }), WANTED)).toBeUndefined();
    expect(decodePmpMap(pmp(), { ...WANTED, protocol: 'udp' })).toBeUndefined();
  });

  it.each([
    ['a refusal', { result: '0002' }, 'nat-refused'],
    ['port 0', { external: '0000' }, 'nat-lie'],
  ])('refuses %s', (_, changes, code) => {
    expect(codeOf(() => decodePmpMap(pmp(changes), WANTED))).toBe(code);
  });

  it('says that a router has no address', () => {
    expect(codeOf(() => decodePmpAddress(bytes('00 80 0003 00000064 00000000')))).toBe('nat-carrier-grade');
  });

  it('survives anything', () => {
    fuzz((packet) => decodePmpMap(packet, WANTED), [pmp()]);
    fuzz(decodePmpAddress, [bytes('00 80 0000 00000064 01020304')]);
  });
});

describe('external addresses', () => {
  it.each([
    ['100.64.1.1', 'nat-carrier-grade'],
    ['192.168.0.1', 'nat-carrier-grade'],
    ['203.0.113.1', 'nat-carrier-grade'],
    ['0.0.0.0', 'nat-lie'],
    ['127.0.0.1', 'nat-lie'],
    ['224.0.0.1', 'nat-lie'],
  ])('%s is not believed: %s', (ip, code) => {
    expect(codeOf(() => believedAddress(Uint8Array.from(ip.split('.'), Number)))).toBe(code);
  });
});

describe('STUN', () => {
  // RFC 5769, section 2.2: the sample IPv4 response, without the attributes that need its password.
  const ID = bytes('b7e7a701 bc34d686 fa87dfae');
  const SOFTWARE = '8022 000b 74657374 20766563 746f7220';
  const response = (attributes: string, type = '0101') => {
    const body = bytes(attributes);
    return bytes(`${type} ${body.length.toString(16).padStart(4, '0')} 2112a442 ${hex(ID)} ${hex(body)}`);
  };

  it('asks with a header alone', () => {
    expect(hex(encodeStunRequest(ID))).toBe(`000100002112a442${hex(ID)}`);
  });

  it('reads the sample of RFC 5769, whose address is for documentation only', () => {
    const read = () => decodeStunAnswer(response(`${SOFTWARE} 0020 0008 0001a147 e112a643`), ID);
    expect(read).toThrow('192.0.2.1:32853');
    expect(codeOf(read)).toBe('nat-lie');
  });

  it('reads an endpoint that is XORed, before one that is plain', () => {
    const xored = '0020 0008 0001 a147 2010a746';
    const plain = '0001 0008 0001 0010 05060708';
    expect(decodeStunAnswer(response(plain + xored), ID)).toEqual({ ip: '1.2.3.4', port: 32_853 });
    expect(decodeStunAnswer(response(plain), ID)).toEqual({ ip: '5.6.7.8', port: 16 });
  });

  it('passes over what is no answer to its question', () => {
    const xored = '0020 0008 0001 a147 2010a746';
    expect(decodeStunAnswer(response(xored), new Uint8Array(12))).toBeUndefined();
    expect(decodeStunAnswer(response(xored, '0001'), ID)).toBeUndefined();
    expect(decodeStunAnswer(response(xored).subarray(0, 30), ID)).toBeUndefined();
  });

  it('says that the server answers with an error', () => {
    expect(codeOf(() => decodeStunAnswer(response('', '0111'), ID))).toBe('nat-refused');
  });

  it('survives anything', () =>
    fuzz((packet) => decodeStunAnswer(packet, ID), [response(`${SOFTWARE} 0020 0008 0001a147 e112a643`)]));
});
