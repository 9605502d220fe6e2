#!/bin/sh
cat /greeting
