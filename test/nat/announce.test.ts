import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Announcement, decodeAnnouncement } from '../../src/nat/index.ts';
import { runs } from '../support/runs.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const PCP = '02 80 00 00 00000000 00000064 000000000000000000000000';
const PMP = '00 80 0000 00000064 01020304';

it.each<[string, string, Announcement | undefined]>([
  ['by PCP (RFC 6887, section 14.1)', PCP, { epoch: 100, externalIp: undefined }],
  ['by PCP with an option', `${PCP} 00000000`, { epoch: 100, externalIp: undefined }],
  ['by NAT-PMP (RFC 6886, section 3.2.1)', PMP, { epoch: 100, externalIp: '1.2.3.4' }],
  ['that is a request', PCP.replace('80', '00'), undefined],
  ['of another opcode', PCP.replace('80', '81'), undefined],
  ['of another version', PCP.replace('02', '01'), undefined],
  ['that tells an error', PCP.replace('80 00 00', '80 00 01'), undefined],
  ['by NAT-PMP that tells an error', PMP.replace('0000', '0003'), undefined],
  ['by PCP that is cut', PCP.slice(0, -2), undefined],
  ['by NAT-PMP that is cut', PMP.slice(0, -2), undefined],
  ['that is too long', PCP + '00'.repeat(1_100), undefined],
])('an announcement %s is read as such', (_, packet, announcement) => {
  expect(decodeAnnouncement(bytes(packet))).toEqual(announcement);
});

it('whatever comes, it is an announcement or none (fuzz)', () => {
  const changed = fc
    .tuple(fc.constantFrom(PCP, PMP), fc.nat(30), fc.nat(255), fc.nat(40))
    .map(([honest, at, value, length]) => {
      const packet = bytes(honest).slice(0, length);
      packet[at % Math.max(1, packet.length)] = value;
      return packet;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 1_200 }), changed), (packet) => {
      const announcement = decodeAnnouncement(packet);
      if (announcement === undefined) return;
      expect(packet[1]).toBe(0x80);
      expect(Number.isInteger(announcement.epoch)).toBe(true);
      expect(announcement.externalIp === undefined).toBe(packet[0] === 2);
    }),
    { numRuns: runs(2_000) },
  );
});
