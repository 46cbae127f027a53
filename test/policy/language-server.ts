import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../node_modules/yaml-language-server/bin/yaml-language-server', import.meta.url))

/** What a language server reports about a document. */
export interface Diagnostic {
  readonly message: string
  /** From 0. */
  readonly line: number
}

/** The real language server of editors, over standard input and output. */
export class LanguageServer {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #answers = new Map<unknown, (result: unknown) => void>()
  readonly #published = new Map<string, (diagnostics: unknown) => void>()
  #received: Buffer = Buffer.alloc(0)
  #requests = 0

  /** Starts the server for one test. */
  static async start(context: TestContext): Promise<LanguageServer> {
    const child = spawn(process.execPath, [program, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] })
    context.after(() => child.kill('SIGKILL'))
    const server = new LanguageServer(child)
    await server.#request('initialize', { processId: process.pid, rootUri: null, capabilities: {} })
    server.#send({ method: 'initialized', params: {} })
    const yaml = { validate: true, completion: true, schemaStore: { enable: false } }
    server.#send({ method: 'workspace/didChangeConfiguration', params: { settings: { yaml } } })
    return server
  }

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child
    child.stdout.on('data', (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data])
      for (let message = this.#take(); message !== undefined; message = this.#take()) this.#receive(message)
    })
  }

  /** Opens a document and returns what the server reports about it. */
  async open(uri: string, text: string): Promise<readonly Diagnostic[]> {
    const published = new Promise((resolve) => this.#published.set(uri, resolve))
    const textDocument = { uri, languageId: 'yaml', version: 1, text }
    this.#send({ method: 'textDocument/didOpen', params: { textDocument } })
    return listOf(await published).map((each) => ({
      message: String(fieldOf(each, 'message')),
      line: Number(fieldOf(fieldOf(fieldOf(each, 'range'), 'start'), 'line')),
    }))
  }

  /** Returns the completions at a place of an open document; both numbers from 0. */
  async complete(uri: string, line: number, character: number): Promise<readonly string[]> {
    const answer = await this.#request('textDocument/completion', {
      textDocument: { uri },
      position: { line, character },
    })
    return listOf(fieldOf(answer, 'items')).map((item) => String(fieldOf(item, 'label')))
  }

  /** Returns the description at a place of an open document. */
  async describe(uri: string, line: number, character: number): Promise<string> {
    const answer = await this.#request('textDocument/hover', { textDocument: { uri }, position: { line, character } })
    return String(fieldOf(fieldOf(answer, 'contents'), 'value'))
  }

  #request(method: string, params: unknown): Promise<unknown> {
    this.#requests += 1
    const id = this.#requests
    const answer = new Promise((resolve) => this.#answers.set(id, resolve))
    this.#send({ id, method, params })
    return answer
  }

  #send(message: object): void {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.#child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }

  #take(): unknown {
    const end = this.#received.indexOf('\r\n\r\n')
    const [, length] = /Content-Length: (\d+)/.exec(this.#received.toString('utf8', 0, Math.max(0, end))) ?? []
    if (length === undefined) return undefined
    const start = end + 4
    if (this.#received.length < start + Number(length)) return undefined
    const body = this.#received.toString('utf8', start, start + Number(length))
    this.#received = this.#received.subarray(start + Number(length))
    return JSON.parse(body)
  }

  #receive(message: unknown): void {
    const [id, method, params] = ['id', 'method', 'params'].map((name) => fieldOf(message, name))
    if (method === undefined) {
      this.#answers.get(id)?.(fieldOf(message, 'result'))
    } else if (method === 'textDocument/publishDiagnostics') {
      this.#published.get(String(fieldOf(params, 'uri')))?.(fieldOf(params, 'diagnostics'))
    } else if (id !== undefined) {
      // The server asks the editor for its configuration, which it has received before.
      this.#send({ id, result: null })
    }
  }
}

function fieldOf(value: unknown, name: string): unknown {
  const field: unknown = Reflect.get(Object(value), name)
  return field
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
