/** What the docs say of files and how the programs in README.md go. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../src/base/bytes.ts';
import * as eth from '../src/eth/index.ts';
import * as peerlane from '../src/index.ts';
import { ethServer } from './support/eth-server.ts';
import { startedServer } from './support/servers.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (path: string) => readFileSync(join(root, path), 'utf8');

describe.each(pages)('in %s', (page) => {
  const text = read(page);

  it('all files of ours that are named are there', () => {
    const named =
      text.match(/(?<![\w/.-])(?:src|test|bench|scripts|native|docs|data|\.ci)\/[\w./-]*\w/g) ?? [];
    // What a build makes is not in the sources.
    const missing = named.filter((path) => !/^native\/.*\.node$/.test(path) && !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });

  it('so are those that are named without their folder', () => {
    const files = ['src', 'test', 'bench', 'scripts', 'native'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => basename(path)),
    );
    const known = new Set(files);
    const named = [...text.matchAll(/`([\w-]+\.(?:ts|c|cc|h|cjs))`/g)].map(([, name]) => name ?? '');
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it('links lead to files of ours', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(([, path]) => path ?? '');
    expect(links.filter((path) => !existsSync(join(root, dirname(page), path)))).toEqual([]);
  });
});

type Names = Readonly<Record<string, unknown>>;
const MODULES: Readonly<Record<string, Names>> = {
  peerlane,
  'peerlane/eth': eth,
  'node:fs/promises': await import('node:fs/promises'),
};
const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as new (
  ...text: readonly string[]
) => (...values: readonly unknown[]) => Promise<void>;

/**
 * Runs a program with the names that it imports, those of the whole package, and `names`, which go before all others.
 * @returns what it printed
 */
async function run(program: string, names: Names): Promise<string[]> {
  const printed: string[] = [];
  const imported: Record<string, unknown> = { ...peerlane };
  const body = program.replaceAll(
    /^import \{([^}]*)\} from '([^']*)';$/gm,
    (_line, list: string, from: string) => {
      for (const name of list.split(',').map((text) => text.trim())) {
        expect(MODULES[from], `${name} of ${from}`).toHaveProperty(name);
        imported[name] = MODULES[from]?.[name];
      }
      return '';
    },
  );
  const scope = {
    ...imported,
    console: { log: (...values: unknown[]) => printed.push(values.join(' ')) },
    ...names,
  };
  await new AsyncFunction(...Object.keys(scope), body)(...Object.values(scope));
  return printed;
}

/** Checks its options as any does, and is closed when the test ends. */
class ClosedServer extends peerlane.Server {
  constructor(options: peerlane.ServerOptions) {
    super(options);
    onTestFinished(() => this.close());
  }
}

/** It goes nowhere: what it would dial is out in the net. */
class OfflineServer extends ClosedServer {
  override async start(): Promise<void> {
    // Not what it dials either.
  }

  override get discovery() {
    return { nodes: () => [] } as unknown as peerlane.Server['discovery'];
  }
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'peerlane-readme-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** With what README.md says that they are. */
const options = () => ({
  key: peerlane.generateSecretKey(peerlane.systemEnv),
  protocols: [{ name: 'x', version: 1, length: 1, handler: async () => undefined }],
});

const programsOf = (page: string) =>
  [...read(page).matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, text]) => text ?? '');

function only(programs: readonly string[], text: string): string {
  const found = programs.filter((program) => program.includes(text));
  expect(found).toHaveLength(1);
  return found[0] ?? '';
}

describe('the program of README.md', () => {
  const programs = programsOf('README.md');
  const programWith = (text: string) => only(programs, text);
  const genesisFile = join(root, 'data/small/genesis.json');
  const chainOf = async () => {
    const genesis = peerlane.parseGenesis(readFileSync(genesisFile, 'utf8'));
    const store = await peerlane.ChainStore.inMemory({ genesis });
    onTestFinished(() => store.close());
    await peerlane.importChain(store, join(root, 'data/small/chain.rlp.gz'));
    return { genesis, store };
  };

  it('is run here, whichever it is', () => {
    expect(programs).toHaveLength(5);
  });

  it('greets', async () => {
    const closed: Promise<void>[] = [];
    class Greeting extends ClosedServer {
      constructor(given: peerlane.ServerOptions) {
        super(given);
        closed.push(new Promise((resolve) => this.#closed.push(resolve)));
      }

      readonly #closed: (() => void)[] = [];

      override async close(): Promise<void> {
        await super.close();
        for (const resolve of this.#closed) resolve();
      }
    }
    const printed = await run(programWith('const greet'), { Server: Greeting });
    await Promise.all(closed);
    // What B says may come to A when that is being closed.
    expect(printed).toContain('A says: hello from A');
  });

  it('downloads a chain', async () => {
    const { genesis, store } = await chainOf();
    const { networkId, hash, schedule } = genesis;
    const { server } = await ethServer({ network: { networkId, genesisHash: hash, schedule }, chain: store });
    const program = programWith('new Downloader').replace('./chain', join(await folder(), 'chain'));
    const process = { argv: ['node', 'program.mjs', genesisFile, server.enode] };
    expect((await run(program, { process, Server: ClosedServer })).length).toBeGreaterThan(2);
  });

  it('finds nodes', async () => {
    const { store } = await chainOf();
    const program = programWith('ethDiscovery').replace('./nodes', join(await folder(), 'nodes'));
    const databases: peerlane.NodeDatabase[] = [];
    const NodeDatabase = {
      open: async (path: string) => {
        const database = await peerlane.NodeDatabase.open(path);
        databases.push(database);
        return database;
      },
    };
    await run(program, {
      NodeDatabase,
      Server: OfflineServer,
      options: options(),
      store,
    });
    for (const database of databases) await database.close();
    expect(databases).toHaveLength(1);
  });

  it('tells of transactions', async () => {
    await run(programWith('broadcastTransactions'), {
      transactions: [new eth.Transaction(Uint8Array.of(2, 0xc0))],
    });
  });

  it('runs for months', async () => {
    const { enode } = await startedServer();
    const endpoints: peerlane.MetricsEndpoint[] = [];
    const serveMetrics = async (...args: Parameters<typeof peerlane.serveMetrics>) => {
      const endpoint = await peerlane.serveMetrics(args[0], { ...args[1], port: 0 });
      endpoints.push(endpoint);
      return endpoint;
    };
    const printed = await run(programWith('serveMetrics'), {
      ...{ Server: OfflineServer, serveMetrics, options: options(), enode },
    });
    for (const endpoint of endpoints) await endpoint.close();
    expect([printed.length, endpoints.length]).toEqual([2, 1]);
  });
});

describe('a program of docs/', () => {
  /** A service that is closed when the test ends, on this machine and at a free port. */
  function here<Options extends object, Service extends AsyncDisposable>(
    Service: new (options: Options) => Service,
  ) {
    return class {
      constructor(options: Options) {
        const service = new Service({ listen: LOCAL, ...options });
        onTestFinished(() => service[Symbol.asyncDispose]());
        // biome-ignore lint/correctness/noConstructorReturn: programs are to have the service itself.
        return service as never;
      }
    };
  }
  const LOCAL = { host: '127.0.0.1', port: 0 };
  const SharedUdp = class extends peerlane.SharedUdp {
    constructor() {
      super(LOCAL);
    }
  };
  const key = () => peerlane.generateSecretKey(peerlane.systemEnv);
  const bootnode = async () => {
    const node = new peerlane.Discv5Service({ key: key(), listen: LOCAL });
    onTestFinished(() => node.close());
    await node.start();
    node.serveTalk('echo', (request) => request);
    return node;
  };
  const names = (node: peerlane.Discv5Service) => ({
    key: key(),
    bootnodes: [node.record.toString()],
    Discv4Service: here(peerlane.Discv4Service),
    Discv5Service: here(peerlane.Discv5Service),
    SharedUdp,
  });

  it('runs both versions of discovery on a socket, and talks', async () => {
    const ended = new AbortController();
    const said: unknown[] = [];
    const console = {
      log: (answer: unknown) => {
        said.push(answer);
        ended.abort();
      },
    };
    const program = only(programsOf('docs/discovery.md'), 'new SharedUdp');
    const running = run(program, { ...names(await bootnode()), signal: ended.signal, console });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(said).toEqual([Uint8Array.of(1)]);
  });

  it('tries another policy on what nodes have done', async () => {
    const { enode } = await startedServer();
    const server = await startedServer();
    const peer = await server.dial(enode);
    peer.report('breach');
    const program = only(programsOf('docs/security.md'), 'replayPolicy');
    expect(await run(program, { server })).toEqual([`${toBareHex(peer.info.id)} a breach`]);
  });

  it('advertises a topic, and searches for it', async () => {
    const { signal } = new AbortController();
    const node = await bootnode();
    const program = only(programsOf('docs/topics.md'), 'discovery.search').replace(
      '{ key, listen,',
      '{ key,',
    );
    const printed = await run(program, { ...names(node), signal });
    expect(printed).toHaveLength(1);
    expect(node.stats().topics?.ads).toBe(1);
  });
});
