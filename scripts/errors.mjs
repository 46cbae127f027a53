/**
 * `npm run docs:errors`: writes docs/errors.md, the reference of all codes and reasons, from scripts/errors/texts.json. With
 * `--print` it writes to standard output instead.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const texts = JSON.parse(readFileSync(new URL('errors/texts.json', import.meta.url), 'utf8'))
const page = fileURLToPath(new URL('../docs/errors.md', import.meta.url))

const groups = texts.map(({ title, intro, entries }) => {
  const codes = Object.entries(entries).map(
    ([code, { answer, cause, remedy }]) =>
      `### \`${code}\`\n\n${answer === undefined ? '' : `Answered with ${answer}.\n`}${cause}\n\n**Remedy:** ${remedy}\n`,
  )
  return `## ${title}\n\n${intro}\n\n${codes.join('\n')}`
})

const contents = texts.map(({ title, entries }) => {
  const anchor = title
    .toLowerCase()
    .replaceAll(/[^a-z -]/g, '')
    .replaceAll(' ', '-')
  return `- [${title}](#${anchor}) (${Object.keys(entries).length})`
})

const text = `# Errors and reasons

<!-- Written by \`npm run docs:errors\` from scripts/errors/texts.json. Edit that file. -->

\`\`\`json
{ "type": "denial", "id": "0f0d6f5e-6a1b-4c0e-9d4c-2f6a3a1f7b52", "status": 403, "code": "access_denied",
  "reason": "authority_missing", "detail": "rules[0] (/internal/billing/**): the caller lacks SERVICE_core-api" }
\`\`\`

Search this page for the \`reason\` or \`code\` of a log line or an error. The \`detail\` or the message describes your case.
If you only have the error that the caller received, begin with [Troubleshooting](troubleshooting.md).

${contents.join('\n')}

If a code is in two sections, its meaning differs: check the type of the event or the class of the error. Use codes and
reasons in alerts and metrics, because messages and details can change.

${groups.join('\n')}`

if (process.argv.includes('--print')) process.stdout.write(text)
else {
  writeFileSync(page, text)
  process.stdout.write(`wrote ${page}\n`)
}
