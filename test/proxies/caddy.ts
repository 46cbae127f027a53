import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fillIn, readConfiguration } from './configuration.ts'
import { runCommand, startProgram } from './program.ts'
import type { Place, Proxy, RunningProxy } from './proxy.ts'
import { testAcceptance } from './acceptance.ts'
import { testProxy } from './test-proxy.ts'

const caddy: Proxy = {
  name: 'Caddy',
  start,
  format: 'caddy',
  httpVersion: '2.0',
  forwards: ({ certificates: [leaf = Buffer.alloc(0)] }) => ({ 'client-cert': `:${leaf.toString('base64')}:` }),
  sendsChain: false,
}

async function start({ folder, port, servicePort }: Place): Promise<RunningProxy> {
  const file = join(folder, 'Caddyfile')
  const text = fillIn(readConfiguration('Caddyfile'), {
    '/run/proxy': folder,
    'billing.saas.example:443': `billing.saas.example:${port}`,
    'billing.production.svc:8443': `127.0.0.1:${servicePort}`,
  })
  writeFileSync(file, text)
  const program = await startProgram('caddy', ['run', '--config', file], port, {
    XDG_CONFIG_HOME: folder,
    XDG_DATA_HOME: folder,
  })
  return {
    ...program,
    reload: async () => {
      runCommand('caddy', ['reload', '--force', '--config', file, '--address', `unix/${folder}/caddy.sock`])
    },
  }
}

testProxy(caddy)
testAcceptance(caddy)
