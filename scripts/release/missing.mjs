/** Lists what a release needs and is missing, as sentences; empty if it may start. */
export function listMissing({ env, status, head, npm, repository, step }) {
  const conditions = [
    [env['GITHUB_ACTIONS'] === 'true', 'a run of .github/workflows/release.yml: releases are not made on a laptop'],
    [env['GITHUB_REF'] === 'refs/heads/main', `the branch main, found ${env['GITHUB_REF'] ?? 'no GITHUB_REF'}`],
    [status === '', `a clean tree, found changes:\n${shorten(status)}`],
  ]
  if (env['GITHUB_ACTIONS'] === 'true' && step === 'publish') {
    const home = `${env['GITHUB_SERVER_URL']}/${env['GITHUB_REPOSITORY']}`
    const canUseOidc = (Number(npm.split('.')[0]) || 0) >= 12 || /^11\.(?:[6-9]|[1-9]\d|5\.[1-9])/.test(npm)
    conditions.push(
      [head === env['GITHUB_SHA'], 'the commit that the run was started for: provenance names that one'],
      [
        env['ACTIONS_ID_TOKEN_REQUEST_URL'] !== undefined,
        'the permission `id-token: write`: npm signs provenance with it',
      ],
      [
        repository === `git+${home}.git`,
        `this repository in each package.json: npm compares it with the provenance. Found ${repository}, expected git+${home}.git`,
      ],
      [
        canUseOidc || (env['NODE_AUTH_TOKEN'] ?? '') !== '',
        `npm 11.5.1 or newer for trusted publishing, or NODE_AUTH_TOKEN; found npm ${npm}`,
      ],
    )
  }
  return conditions.flatMap(([isMet, sentence]) => (isMet ? [] : [sentence]))
}

function shorten(status) {
  const lines = status.split('\n')
  const shown = lines.length > 5 ? [...lines.slice(0, 5), `and ${lines.length - 5} more`] : lines
  return shown.map((line) => `      ${line}`).join('\n')
}
