import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fillIn, readConfiguration } from './configuration.ts'
import { runCommand, startProgram, until } from './program.ts'
import { escapePem, type Place, type Proxy, type RunningProxy } from './proxy.ts'
import { testAcceptance } from './acceptance.ts'
import { testProxy } from './test-proxy.ts'

const nginx: Proxy = {
  name: 'nginx',
  start,
  format: { nginx: { header: 'x-ssl-client-cert' } },
  httpVersion: '1.1',
  forwards: ({ certificates: [leaf = Buffer.alloc(0)] }) => ({ 'x-ssl-client-cert': escapePem(leaf) }),
  sendsChain: false,
}

async function start({ folder, port, servicePort }: Place): Promise<RunningProxy> {
  const file = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  const text = fillIn(readConfiguration('nginx.conf'), {
    '/run/proxy': folder,
    'listen 443': `listen 127.0.0.1:${port}`,
    'billing.production.svc:8443': `127.0.0.1:${servicePort}`,
    'events {}': `daemon off; pid ${folder}/nginx.pid; events {}`,
    'http {': `http { access_log off; ${temporary.join(' ')}`,
  })
  writeFileSync(file, text)
  const args = ['-p', folder, '-e', 'stderr', '-c', file]
  const program = await startProgram('nginx', args, port)
  return {
    ...program,
    reload: async () => {
      const before = listWorkers(program.pid)
      runCommand('nginx', [...args, '-s', 'reload'])
      await until(
        'the workers with the old SVID to end',
        () => !listWorkers(program.pid).some((pid) => before.includes(pid)),
      )
    },
  }
}

function listWorkers(pid: number): readonly string[] {
  return runCommand('ps', ['-o', 'pid=', '--ppid', String(pid)])
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

testProxy(nginx)
testAcceptance(nginx)
