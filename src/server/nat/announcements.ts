import { bindUdp, type UdpSocket } from '../../io/udp.ts';
import {
  ANNOUNCE_GROUP,
  ANNOUNCE_GROUP6,
  ANNOUNCE_PORT,
  type Announcement,
  decodeAnnouncement,
} from '../../nat/index.ts';
import type { IpFamily } from '../endpoint-votes.ts';
import { EVERY_IP, EVERY_IPV4 } from '../listen-host.ts';

export interface AnnouncementOptions {
  /** Text of the address of the router: what others say is not looked at. */
  readonly router: () => string | undefined;
  readonly heard: (announcement: Announcement) => void;
  /** Default 4. */
  readonly family?: IpFamily;
  /** Default: those of the protocols. */
  readonly port?: number;
  readonly group?: string;
}

/**
 * Hears what the router tells all hosts of its network. Other programs of this machine may do so at the same port.
 * @throws PeerlaneError `port-in-use`, `listen-failed`
 */
export function hearAnnouncements(options: AnnouncementOptions): Promise<UdpSocket> {
  const { router, heard, family = 4, port = ANNOUNCE_PORT } = options;
  const { group = family === 4 ? ANNOUNCE_GROUP : ANNOUNCE_GROUP6 } = options;
  return bindUdp(
    { host: family === 4 ? EVERY_IPV4 : EVERY_IP, port, group, isIpv6Only: family === 6 },
    {
      message: (packet, ip) => {
        if (ip !== router()) return;
        const announcement = decodeAnnouncement(packet);
        if (announcement !== undefined) heard(announcement);
      },
      // That nothing comes any more, renewals make up for.
      failed: () => undefined,
    },
  );
}
