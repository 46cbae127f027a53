import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'

const prologue = `
import { once } from 'node:events'
import { createServer } from 'node:https'
import { authenticated, createGuard } from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import { createAuthority, serve } from '@countersign/testkit'
const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const svid = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
const listener = (request, response) => {
  response.writeHead('effect' in forAdapter(guard).admit(request) ? 403 : 200).end()
}
`

for (const [name, script] of [
  ['has a guard and its source', ''],
  [
    'has attached a server that never listens',
    `
    guard.attach(createServer({ ...guard.tlsOptions() }, listener))
    source.replace({ svid: await authority.issue('spiffe://saas.example/ns/production/sa/billing') })
    `,
  ],
  [
    'has closed its server, with the source open',
    `
    const running = await serve(guard, listener)
    if ((await running.as(svid).fetch('/')).status !== 200) throw new Error('the call failed')
    await running.close()
    `,
  ],
  [
    'has closed its server and its source',
    `
    const running = await serve(guard, listener)
    if ((await running.as(svid).fetch('/')).status !== 200) throw new Error('the call failed')
    source.replace({ svid: await authority.issue('spiffe://saas.example/ns/production/sa/billing') })
    await running.close()
    await source.close()
    `,
  ],
  [
    'has closed its source and then its server',
    `
    const running = await serve(guard, listener)
    if ((await running.as(svid).fetch('/')).status !== 200) throw new Error('the call failed')
    await source.close()
    await running.close()
    `,
  ],
] as const) {
  test(`a process with only ${name} exits by itself`, async (context) => {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '--eval', `${prologue}${script}console.log('done')`],
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
