import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

const prologue = `
import { once } from 'node:events'
import { get } from 'node:https'
import { connectTls, createAgent, createDispatcher, createFetch, createTlsServer } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { request } from 'undici'
const saas = await createAuthority('saas.example')
const billing = 'spiffe://saas.example/ns/production/sa/billing'
const source = await saas.source('spiffe://saas.example/ns/production/sa/core-api')
const servers = [billing]
const server = createTlsServer(await saas.source(billing), { callers: ['spiffe://saas.example/**'] }, (socket) => {
  socket.once('data', () => socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok'))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address()
const url = 'https://127.0.0.1:' + port
const rotate = async () => source.replace({ svid: await saas.issue('spiffe://saas.example/ns/production/sa/core-api') })
const call = (agent) => new Promise((resolve, reject) => {
  get(url, { agent }, (response) => response.resume().on('close', resolve)).on('error', reject)
})
`

/** What a program does with the client; nothing may keep it alive at its end. */
const programs: readonly (readonly [what: string, script: string])[] = [
  ['was never used', 'createAgent(source, { servers }); createFetch(source, { servers }); server.close()'],
  [
    'is a destroyed agent',
    'const agent = createAgent(source, { servers }); await call(agent); await rotate(); await call(agent); agent.destroy(); server.close()',
  ],
  [
    'is a closed fetch',
    'const fetch = createFetch(source, { servers }); await (await fetch(url)).text(); await rotate(); await (await fetch(url)).text(); await fetch.close(); server.close()',
  ],
  [
    'is a destroyed dispatcher',
    'const dispatcher = createDispatcher(source, { servers }); await (await request(url, { dispatcher })).body.text(); await dispatcher.destroy(); server.close()',
  ],
  [
    'is a closed connection',
    'const socket = await connectTls(source, { servers, host: "127.0.0.1", port }); socket.destroy(); server.close()',
  ],
  [
    'could not connect',
    'server.close(); await connectTls(source, { servers, host: "127.0.0.1", port }).catch(() => undefined); await createFetch(source, { servers })(url).catch(() => undefined)',
  ],
]

for (const [what, script] of programs) {
  test(`a process whose client ${what} exits by itself`, async (context) => {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '--eval', `${prologue}${script}\nconsole.log('done')`],
      {
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    context.after(() => child.kill('SIGKILL'))
    const output = text(child.stdout)
    await once(child, 'close')
    assert.equal(await output, 'done\n')
    assert.deepEqual([child.exitCode, child.signalCode], [0, null])
  })
}
