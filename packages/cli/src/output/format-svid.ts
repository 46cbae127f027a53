import { escapeInvisible } from './escape-invisible.ts'
import { formatMoment, formatRemaining } from './format-time.ts'
import type { Screen } from './screen.ts'
import type { CertificateFacts, SvidFacts } from './svid-facts.ts'

/** Formats an SVID as a block of lines, for people. */
export function formatSvidBlock(svid: SvidFacts, now: number, { bold, dim }: Screen['colors']): readonly string[] {
  const { spiffeId, hint, serialNumber, notBefore, expiresAt, chain, bundles } = svid
  return [
    bold(spiffeId),
    `  ${dim('hint')}     ${hint === '' ? 'none' : escapeInvisible(hint)}`,
    `  ${dim('serial')}   ${serialNumber}`,
    `  ${dim('valid')}    from ${notBefore}`,
    `  ${dim('expires')}  ${expiresAt}, ${formatRemaining(Date.parse(expiresAt), now)}`,
    `  ${dim('chain')}    ${count(chain.length, 'certificate')}`,
    ...chain.map((certificate) => `    ${formatCertificate(certificate)}, issued by ${nameOf(certificate.issuer)}`),
    ...bundles.flatMap(({ trustDomain, isFederated, authorities }) => [
      `  ${dim('bundle')}   ${trustDomain}${isFederated ? ' (federated)' : ''}, ${count(authorities.length, 'X.509 authority')}`,
      ...authorities.map((certificate) => `    ${formatCertificate(certificate)}`),
    ]),
  ]
}

/** Formats an SVID as one log line: what happened to it, and when. */
export function formatSvidLine(what: string, svid: SvidFacts, now: number): string {
  const { spiffeId, hint, serialNumber, expiresAt } = svid
  const hinted = hint === '' ? '' : `  hint ${escapeInvisible(hint)}`
  const remaining = formatRemaining(Date.parse(expiresAt), now)
  return `${formatMoment(now)}  ${what}  ${spiffeId}${hinted}  serial ${serialNumber}  expires ${expiresAt}, ${remaining}`
}

function formatCertificate({ subject, serialNumber, notAfter }: CertificateFacts): string {
  return `${nameOf(subject)}, serial ${serialNumber}, until ${notAfter}`
}

function nameOf(distinguishedName: string): string {
  return distinguishedName === '' ? 'no subject' : escapeInvisible(distinguishedName)
}

function count(number: number, noun: string): string {
  return `${number} ${number === 1 ? noun : noun.replace(/y$/, 'ie')}${number === 1 ? '' : 's'}`
}
