import { exec } from 'node:child_process';
import type { Request, Response } from 'express';

export function ping(req: Request, res: Response): void {
  const host = req.query.host as string;
  // ruleid: js-command-injection
  exec(`ping -c 1 ${host}`);
  // ruleid: js-cross-site-scripting
  res.send(`<p>${host}</p>`);
  // ok: js-cross-site-scripting
  res.json({ host });
}

// ruleid: js-hardcoded-secret
const clientSecret: string = 'correct-horse-battery';
// ok: js-hardcoded-secret
const clientId: string = 'correct-horse-battery';
export { clientId, clientSecret };
