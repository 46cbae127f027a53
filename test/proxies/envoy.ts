import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fillIn, readConfiguration } from './configuration.ts'
import { startProgram } from './program.ts'
import { escapePem, type Place, type Proxy, type RunningProxy } from './proxy.ts'
import { testAcceptance } from './acceptance.ts'
import { proxyId } from './workloads.ts'
import { testSidecar } from './sidecar.ts'
import { testProxy } from './test-proxy.ts'

/** The program, which `npm run test:proxies` installs if it is not on the PATH. */
const command = process.env['COUNTERSIGN_ENVOY'] ?? 'envoy'

const envoy: Proxy = {
  name: 'Envoy',
  start,
  format: 'xfcc',
  httpVersion: '2.0',
  forwards: ({ certificates }) => {
    const hash = createHash('sha256')
      .update(certificates[0] ?? '')
      .digest('hex')
    const chain = certificates.map((der) => escapePem(der))
    const value = `Hash=${hash};Cert="${chain[0]}";Chain="${chain.join('')}"`
    return { 'x-forwarded-client-cert': value }
  },
  sendsChain: true,
}

/** What the page adds to the header. */
const details = '{ cert: true, chain: true }'

/** The same with everything that Envoy can add to the header, text of the caller's certificate included. */
const talkative: Proxy = {
  ...envoy,
  name: 'Envoy with all details',
  start: (place) =>
    start(place, (text) =>
      fillIn(text, { [details]: '{ cert: true, chain: true, uri: true, subject: true, dns: true }' }),
    ),
  // Becomes `By`.
  serverUris: [proxyId],
}

/** Names without a certificate, and plaintext to the service. */
function startSidecar(place: Place): Promise<RunningProxy> {
  return start(place, (text) =>
    fillIn(text.slice(0, text.indexOf('\n      transport_socket:') + 1), {
      [details]: '{ uri: true, subject: true, dns: true }',
      http2_protocol_options: 'http_protocol_options',
    }),
  )
}

async function start(
  { folder, port, servicePort }: Place,
  change: (text: string) => string = (text) => text,
): Promise<RunningProxy> {
  const file = join(folder, 'envoy.yaml')
  const text = fillIn(change(readConfiguration('envoy.yaml')), {
    '/run/proxy': folder,
    'address: 0.0.0.0, port_value: 443': `address: 127.0.0.1, port_value: ${port}`,
    'address: billing.production.svc, port_value: 8443': `address: 127.0.0.1, port_value: ${servicePort}`,
  })
  writeFileSync(file, text)
  writeFileSync(join(folder, 'svid.yaml'), fillIn(readConfiguration('svid.yaml'), { '/run/proxy': folder }))
  const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'warning']
  const program = await startProgram(command, args, port)
  // It watches the folder of its SVID.
  return { ...program, reload: () => Promise.resolve() }
}

testProxy(envoy)
testAcceptance(envoy)
testAcceptance(talkative)
testSidecar('Envoy as a sidecar', startSidecar)
