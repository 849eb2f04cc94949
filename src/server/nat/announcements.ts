import { bindUdp, type UdpSocket } from '../../io/udp.ts';
import { ANNOUNCE_GROUP, ANNOUNCE_PORT, type Announcement, decodeAnnouncement } from '../../nat/index.ts';
import { EVERY_IPV4 } from '../listen-host.ts';

export interface AnnouncementOptions {
  /** Text of the address of the router: what others say is not looked at. */
  readonly router: () => string | undefined;
  readonly heard: (announcement: Announcement) => void;
  /** Default: those of the protocols. */
  readonly port?: number;
  readonly group?: string;
}

/**
 * Hears what the router tells all hosts of its network. Other programs of this machine may do so at the same port.
 * @throws PeerlaneError `port-in-use`, `listen-failed`
 */
export function hearAnnouncements(options: AnnouncementOptions): Promise<UdpSocket> {
  const { router, heard, port = ANNOUNCE_PORT, group = ANNOUNCE_GROUP } = options;
  return bindUdp(
    { host: EVERY_IPV4, port, group },
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
