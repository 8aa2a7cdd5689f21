"""What every room uses: lazy names, JSON values, progress, parallel work, whole files, zip archives."""
