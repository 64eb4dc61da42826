import { render } from 'preact';
import { App } from './app';
import { start } from './state/session';
import './state/theme';

const page = document.getElementById('page');
if (page) render(<App />, page);
void start();
