import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { connect, createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { TestSvid } from '@countersign/testkit'
import { programArguments } from '../support/program-arguments.ts'
import { listen } from './listen.ts'

/** The parts of the harness that the suite uses: its output and the responses of its ports. */
export class Harness {
  readonly #child: ChildProcessByStdio<null, Readable, null>
  readonly #lines: string[] = []
  #rest = ''

  constructor(context: TestContext, endpoint: string) {
    this.#child = spawn(process.execPath, programArguments('test/conformance/harness.ts'), {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    context.after(() => this.#child.kill('SIGKILL'))
    this.#child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = `${this.#rest}${chunk}`.split('\n')
      this.#rest = lines.pop() ?? ''
      this.#lines.push(...lines)
    })
  }

  /** All lines so far. */
  get lines(): readonly string[] {
    return this.#lines
  }

  /** Waits for a line with this prefix, and returns the rest of it. */
  async read(beginning: string): Promise<string> {
    for (;;) {
      const line = this.#lines.find((found) => found.startsWith(beginning))
      if (line !== undefined) return line.slice(beginning.length)
      if (this.#child.exitCode !== null) throw new Error(`the harness ended before it printed ${beginning}`)
      await Promise.race([once(this.#child.stdout, 'data'), once(this.#child, 'close')])
    }
  }

  /** What the X.509 port sends to a peer with this SVID; nothing if it closes the connection without a byte. */
  async meet(svid: TestSvid | null): Promise<{ readonly told: string; readonly shown: Buffer | undefined }> {
    const socket = connect({
      host: '127.0.0.1',
      port: Number(await this.read('SPIFFE_X509_PORT=')),
      rejectUnauthorized: false,
      ...(svid !== null && { key: svid.keyPem, cert: svid.certificatePem }),
    })
    let shown: Buffer | undefined
    socket.once('secureConnect', () => {
      shown = socket.getPeerX509Certificate()?.raw
    })
    const told = await buffer(socket).catch(() => Buffer.alloc(0))
    return { told: told.toString(), shown }
  }

  /** Makes it call a server that presents this SVID. */
  async dial(svid: TestSvid): Promise<{ readonly status: number; readonly body: unknown }> {
    const server = createServer({
      key: svid.keyPem,
      cert: svid.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
    })
    server.on('secureConnection', (socket) => socket.on('error', () => undefined))
    try {
      return await this.ask('POST', '/v1/x509/dial', { address: `127.0.0.1:${await listen(server)}` })
    } finally {
      server.close()
    }
  }

  /** Sends a request to the control port. */
  async ask(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly body: unknown }> {
    const port = await this.read('SPIFFE_CONTROL_PORT=')
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json()
    return { status: response.status, body: answer }
  }

  /** Stops it like the suite; returns its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return this.ended()
  }

  /** Waits until it exits; returns its exit code. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close')
    return this.#child.exitCode
  }
}
