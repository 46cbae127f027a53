import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fillIn, readConfiguration } from './configuration.ts'
import { startProgram, until } from './program.ts'
import type { Place, Proxy, RunningProxy } from './proxy.ts'
import { testAcceptance } from './acceptance.ts'
import { testProxy } from './test-proxy.ts'

const haproxy: Proxy = {
  name: 'HAProxy',
  start,
  format: { haproxy: { header: 'client-cert', chainHeader: 'x-ssl-chain' } },
  httpVersion: '2.0',
  forwards: ({ certificates: [leaf = Buffer.alloc(0), ...chain] }) => ({
    'client-cert': `:${leaf.toString('base64')}:`,
    ...(chain.length === 0 ? {} : { 'x-ssl-chain': Buffer.concat(chain).toString('base64') }),
  }),
  sendsChain: true,
}

async function start({ folder, port, servicePort }: Place): Promise<RunningProxy> {
  const file = join(folder, 'haproxy.cfg')
  const text = fillIn(readConfiguration('haproxy.cfg'), {
    '/run/proxy': folder,
    // Threads do not always share connections to the service.
    'tune.ssl.cachesize 0': 'tune.ssl.cachesize 0\n    nbthread 1',
    'bind :443': `bind 127.0.0.1:${port}`,
    'billing.production.svc:8443': `127.0.0.1:${servicePort}`,
  })
  writeFileSync(file, text)
  const program = await startProgram('haproxy', ['-W', '-f', file], port)
  let loads = count(program.output())
  return {
    ...program,
    reload: async () => {
      process.kill(program.pid, 'SIGUSR2')
      await until('the new worker', () => count(program.output()) > loads)
      loads = count(program.output())
    },
  }
}

/** How often the configuration was loaded. */
function count(output: string): number {
  return output.split('Loading success').length - 1
}

testProxy(haproxy)
testAcceptance(haproxy)
